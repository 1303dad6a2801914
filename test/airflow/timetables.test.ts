import { describe, expect, test } from "vitest";
import { formatMicros } from "../../src/airflow/timetables/micros.ts";
import { type ComputedRun, nextRun } from "../../src/airflow/timetables/next-run.ts";
import { readSchedule, type Schedule } from "../../src/airflow/timetables/read-schedule.ts";
import { tickChain, ticksBetween } from "../../src/airflow/timetables/ticks.ts";
import type { DataInterval } from "../../src/airflow/timetables/timetable.ts";
import { type Case, isNotComputed, timetableCases } from "./timetable-cases.ts";
import { type Environment, judge, micros } from "./timetable-judge.ts";

interface Info {
  readonly logical: string;
  readonly start: string;
  readonly end: string;
  readonly after: string;
}

type Failed = { readonly error: string };
type Asked = Failed | { readonly last: readonly [string, string] | null; readonly run: Info | null };

interface Answer {
  readonly absent?: true;
  readonly error?: string;
  readonly data: unknown;
  readonly restriction: readonly [string | null, string | null, boolean];
  readonly answers: readonly Asked[];
  readonly between: readonly Info[] | Failed | null;
}

const ENVIRONMENTS: readonly Environment[] = [
  { release: "2.2.5" },
  { release: "2.10.5" },
  { release: "3.3.2" },
  { release: "3.3.2", intervals: "True" },
];
function interval(pair: readonly [string, string]): DataInterval {
  return { start: micros(pair[0]), end: micros(pair[1]) };
}

function asInfo(run: ComputedRun): Info | null | string {
  if (run.state === "not-computable") return run.reason;
  if (run.state === "nothing-due") return null;
  const { logicalDate, interval: own, runAfter } = run.run;
  return {
    logical: formatMicros(logicalDate),
    start: formatMicros(own.start),
    end: formatMicros(own.end),
    after: formatMicros(runAfter),
  };
}

function normalised(info: Info | null): Info | null {
  if (info === null) return null;
  const of = (text: string): string => formatMicros(micros(text));
  return { logical: of(info.logical), start: of(info.start), end: of(info.end), after: of(info.after) };
}

interface Wrong {
  readonly case: string;
  readonly question: unknown;
  readonly theirs: unknown;
  readonly ours: unknown;
}

function compareNext(release: string, one: Case, answer: Answer, schedule: Schedule): readonly Wrong[] {
  return answer.answers.flatMap((asked, at) => {
    const question = one.questions[at];
    // Where Airflow itself fails there is nothing to equal.
    if (question === undefined || "error" in asked) return [];
    const ours = asInfo(
      nextRun(schedule.timetable, {
        release,
        restriction: schedule.restriction,
        lastAutomated: asked.last === null ? null : interval(asked.last),
        now: micros(question.now),
      }),
    );
    const theirs = normalised(asked.run);
    if (typeof ours === "string" && isNotComputed(one)) return [];
    return JSON.stringify(ours) === JSON.stringify(theirs)
      ? []
      : [{ case: one.name, question: { ...question, last: asked.last }, theirs, ours }];
  });
}

function compareBetween(release: string, one: Case, answer: Answer, schedule: Schedule): readonly Wrong[] {
  const { between } = answer;
  if (between === null || "error" in between || isNotComputed(one)) return [];
  const [first, ...all] = between.map((info) => formatMicros(micros(info.after)));
  // Where this Airflow itself goes back and forth, up to there.
  const stop = all.findIndex((tick, at) => tick <= (all[at - 1] ?? first ?? ""));
  const rest = stop < 0 ? all : all.slice(0, stop);
  const last = rest.at(-1);
  const chain = tickChain(schedule.timetable, release);
  if (first === undefined || last === undefined || !chain.ok) return [];
  const ours = [...ticksBetween(chain, micros(first), micros(last))].map(formatMicros);
  const at = rest.findIndex((tick, index) => tick !== ours[index]);
  return at < 0 ? [] : [{ case: one.name, question: { tick: at }, theirs: rest[at], ours: ours[at] }];
}

describe.for(ENVIRONMENTS)(
  "schedules of a genuine Airflow $release, data intervals: $intervals",
  async (environment) => {
    const { release } = environment;
    const cases = timetableCases();
    const answers = await judge<Answer>("timetables_judge.py", environment, cases);
    const pairs = cases.flatMap((one, at) => {
      const answer = answers[at];
      return answer === undefined || answer.absent ? [] : [{ one, answer }];
    });
    const read = pairs.flatMap(({ one, answer }) => {
      const schedule = readSchedule(answer.data, { release });
      return schedule === undefined ? [] : [{ one, answer, schedule }];
    });

    test("are all answered and read", () => {
      expect(answers).toHaveLength(cases.length);
      expect(
        pairs.flatMap(({ one, answer }) => (answer.error === undefined ? [] : [`${one.name}: ${answer.error}`])),
      ).toEqual([]);
      expect(read.length).toBeGreaterThan(300);
    });

    test("are bound by the same dates", () => {
      const wrong = read.flatMap(({ one, answer: { restriction }, schedule }) => {
        const [earliest, latest, catchup] = restriction;
        const theirs = {
          earliest: earliest === null ? null : micros(earliest),
          latest: latest === null ? null : micros(latest),
          catchup,
        };
        return JSON.stringify(theirs) === JSON.stringify(schedule.restriction)
          ? []
          : [{ case: one.name, theirs, ours: schedule.restriction }];
      });

      expect(wrong).toEqual([]);
    });

    test("have the next runs that Airflow itself computes", () => {
      const wrong = read.flatMap(({ one, answer, schedule }) => compareNext(release, one, answer, schedule));
      const asked = read.flatMap(({ answer }) => answer.answers.filter((each) => !("error" in each)));

      expect(asked.length).toBeGreaterThan(5000);
      expect({ count: wrong.length, examples: wrong.slice(0, 12) }).toEqual({ count: 0, examples: [] });
    });

    test("have the ticks that Airflow itself goes through", () => {
      const wrong = read.flatMap(({ one, answer, schedule }) => compareBetween(release, one, answer, schedule));

      expect({ count: wrong.length, examples: wrong.slice(0, 12) }).toEqual({ count: 0, examples: [] });
    });
  },
);
