/** A schedule as a DAG file would give it; deltas in seconds, or as arguments of a relativedelta. */
type ScheduleCase =
  | { readonly kind: "cron"; readonly expression: string; readonly zone: Zone }
  | { readonly kind: "word"; readonly expression: string }
  | { readonly kind: "none" }
  | { readonly kind: "delta"; readonly delta: DeltaCase }
  | { readonly kind: "events"; readonly dates: readonly string[] }
  | { readonly kind: "delta-trigger"; readonly delta: DeltaCase; readonly interval: DeltaCase }
  | ({ readonly kind: "cron-trigger"; readonly expression: string } & Trigger)
  | ({ readonly kind: "cron-triggers"; readonly expressions: readonly string[] } & Trigger);

type Zone = string | number;
type DeltaCase = number | Readonly<Record<string, number>>;

interface Trigger {
  readonly zone: Zone;
  readonly interval: DeltaCase;
  readonly immediately?: boolean | number;
}

interface Question {
  readonly now: string;
  /** The newest run's interval is what this Airflow infers for so many seconds before now; null: no run. */
  readonly lag?: number | null;
  /** The newest run's interval, at no tick. */
  readonly last?: readonly [string, string];
}

/** One DAG, and what is asked about it. */
export interface Case {
  readonly name: string;
  readonly schedule: ScheduleCase;
  readonly start: string | null;
  readonly end: string | null;
  readonly catchup: boolean;
  /** End dates of its tasks. */
  readonly ends: readonly (string | null)[];
  readonly questions: readonly Question[];
  readonly between: readonly [string, string] | null;
}

/** Expressions that we say we can not compute. */
const NOT_COMPUTED: ReadonlySet<string> = new Set(["0 0 */5 * *", "0 0 31 * *", "59 23 31 12 *"]);

/** True for a case that we say we can not compute, and so never compute wrongly. */
export function isNotComputed({ schedule }: Case): boolean {
  return "expression" in schedule && NOT_COMPUTED.has(schedule.expression);
}

const EXPRESSIONS = [
  "* * * * *",
  "*/2 * * * *",
  "*/7 * * * *",
  "30 * * * *",
  "0 * * * *",
  "15,45 * * * *",
  "0 */2 * * *",
  "30 1 * * *",
  "30 2 * * *",
  "15 2 * * *",
  "0 2 * * *",
  "0 3 * * *",
  "0 0 * * *",
  "0,30 2 * * *",
  "*/15 1-3 * * *",
  "0 8-18/3 * * *",
  "0 0,12 * * *",
  "0 9 * * 1-5",
  "0 9 * * MON-FRI",
  "0 0 * * 7",
  "0 0 * * 0",
  "0 6 * * 2,4",
  "5 4 * * sun",
  "0 0 1 * *",
  "0 0 15 * *",
  "0 0 1,15 * *",
  "0 12 1 */3 *",
  "0 0 1 jan,jul *",
  "0 0 * */2 1",
  "0 0 13 * 5",
  "0 4 8-14 * *",
  "0 0 */5 * *",
  "0 0 31 * *",
  "0 1 L * *",
  "0 0 * * 5#2",
  "0 0 * * L5",
  "10/20 3 * * *",
  "0 0 1 1 *",
  "0 0 28 2 *",
  "* 2 * * *",
  "0 22-23 * * 6",
  "59 23 31 12 *",
  "@hourly",
  "@daily",
  "@weekly",
  "@monthly",
  "@quarterly",
  "@yearly",
] as const;

/** Clock changes: forward and back, by an hour and by half of one, at midnight, in both hemispheres; and zones without. */
const CHANGES: readonly (readonly [zone: Zone, ...changes: readonly string[]])[] = [
  ["UTC", "2025-03-30T01:00:00Z"],
  ["Europe/Zurich", "2025-03-30T01:00:00Z", "2025-10-26T01:00:00Z"],
  ["America/New_York", "2025-03-09T07:00:00Z", "2025-11-02T06:00:00Z"],
  ["Australia/Lord_Howe", "2025-10-04T15:30:00Z", "2025-04-05T15:00:00Z"],
  ["America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-02-18T02:00:00Z"],
  ["America/St_Johns", "2025-03-09T05:30:00Z", "2025-11-02T04:30:00Z"],
  ["Asia/Kolkata", "2025-06-01T00:00:00Z"],
  [-12_600, "2025-06-01T00:00:00Z"],
];

const HOUR = 3600;
const DAY = 24 * HOUR;

function at(change: string, seconds: number): string {
  const moment = new Date(Date.parse(change) + seconds * 1000).toISOString();
  return moment.replace("Z", "+00:00");
}

/** Around the change: days, hours and a moment that is no whole second. */
const NOWS = [-26 * HOUR, -1.5 * HOUR, 0, 0.4876 * HOUR, 40 * DAY] as const;
const LAGS = [null, 0, 2 * DAY] as const;

function questionsAround(change: string): readonly Question[] {
  return [
    ...NOWS.flatMap((seconds) => LAGS.map((lag) => ({ now: at(change, seconds), lag }))),
    { now: at(change, DAY), last: [at(change, -8 * DAY + 780), at(change, -7 * DAY + 780)] },
  ];
}

interface Bounds {
  readonly start: string | null;
  readonly end: string | null;
  readonly catchup: boolean;
  readonly ends: readonly (string | null)[];
}

/** What bounds a DAG, in turn: a start date at no tick, an end date soon, tasks that end, no start date. */
function boundsOf(number: number, change: string): Bounds {
  const start = at(change, -100 * DAY - 1234);
  const variants: readonly Omit<Bounds, "catchup">[] = [
    { start, end: null, ends: [null] },
    { start: at(change, -3 * DAY), end: null, ends: [null, null] },
    { start, end: at(change, 26 * HOUR), ends: [null] },
    { start, end: null, ends: [at(change, 2 * DAY), at(change, 3 * HOUR)] },
    { start, end: null, ends: [at(change, DAY), null] },
    // Up to 2.x, tasks need a start date.
    { start: null, end: null, ends: [] },
    { start: at(change, 2 * DAY), end: null, ends: [null] },
  ];
  return { ...(variants[number % variants.length] ?? { start, end: null, ends: [] }), catchup: number % 2 === 0 };
}

function caseOf(name: string, schedule: ScheduleCase, number: number, change: string): Case {
  return {
    name: `${name} #${number}`,
    schedule,
    ...boundsOf(number, change),
    questions: questionsAround(change),
    between: [at(change, -1.2 * DAY), at(change, 95 * DAY)],
  };
}

const DELTAS: readonly DeltaCase[] = [
  60,
  300,
  420,
  5400,
  HOUR,
  DAY,
  7 * DAY,
  90_061.5,
  { months: 1 },
  { days: 1 },
  { weeks: 1 },
  { hours: 36 },
  { months: 3, days: 1 },
  { years: 1 },
];

const UTC_CHANGE = "2025-03-30T01:00:00Z";

function crons(): readonly Case[] {
  return CHANGES.flatMap(([zone, ...changes], place) =>
    changes.flatMap((change) =>
      EXPRESSIONS.map((expression, index) =>
        caseOf(`${expression} in ${zone} at ${change}`, { kind: "cron", expression, zone }, index + 3 * place, change),
      ),
    ),
  );
}

function triggers(): readonly Case[] {
  return CHANGES.flatMap(([zone, ...changes], place) =>
    changes.flatMap((change) =>
      EXPRESSIONS.filter((_, index) => index % 4 === 0).map((expression, index) => {
        const plain = index % 3 === 0 ? undefined : index % 3 === 1 ? true : 3 * HOUR;
        const schedule = {
          kind: "cron-trigger",
          expression,
          zone,
          interval: index % 2 === 0 ? 0 : DAY,
          ...(plain === undefined ? {} : { immediately: plain }),
        } as const;
        return caseOf(`trigger ${expression} in ${zone} at ${change}`, schedule, index + 3 * place, change);
      }),
    ),
  );
}

function others(): readonly Case[] {
  const plain: readonly ScheduleCase[] = [
    { kind: "none" },
    { kind: "word", expression: "@once" },
    { kind: "word", expression: "@continuous" },
    { kind: "events", dates: [-40, -3, -1, 0, 1, 30].map((day) => at(UTC_CHANGE, day * DAY)) },
    { kind: "cron-triggers", expressions: ["0 8 * * *", "30 17 * * 1-5"], zone: "Europe/Zurich", interval: 0 },
    {
      kind: "cron-triggers",
      expressions: ["*/20 * * * *", "0 2 * * *"],
      zone: "America/New_York",
      interval: HOUR,
      immediately: true,
    },
    ...DELTAS.map((delta) => ({ kind: "delta", delta }) as const),
    ...DELTAS.map((delta) => ({ kind: "delta-trigger", delta, interval: 0 }) as const),
    { kind: "delta-trigger", delta: DAY, interval: HOUR },
  ];
  const variants = [0, 1, 2, 3, 4, 5, 6, 7, 12] as const;
  return plain.flatMap((schedule) =>
    variants.map((number) => caseOf(JSON.stringify(schedule), schedule, number, UTC_CHANGE)),
  );
}

/** Several hundred schedules, each bound in one of the ways that DAGs are, asked at moments around a clock change. */
export function timetableCases(): readonly Case[] {
  return [...crons(), ...triggers(), ...others()];
}
