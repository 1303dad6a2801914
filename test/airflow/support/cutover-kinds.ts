import { isInRange } from "../../../src/domain/release.ts";
import type { ReleaseName } from "./releases.ts";

/**
 * How a DAG of the proof is switched: `in-a-gap` as every DAG is; `handed-over` because its runs never leave one; `across-a-change` the same, while it
 * catches up over a clock change; `two-events` waits for two events, one of which is seen; `reference` not at all.
 */
export type Way = "in-a-gap" | "handed-over" | "across-a-change" | "two-events" | "reference";

/** A DAG of the proof. */
export interface Kind {
  readonly dag: string;
  /** The releases that have such DAGs. Default: all. */
  readonly in?: string;
  /** In the file of plain kinds, or in that of the others. */
  readonly file: "plain" | "rare";
  readonly way: Way;
  /** Its period, where it has one. */
  readonly everySeconds?: number;
  /** Runs that have ended before anything is copied. Default 1. */
  readonly history?: number;
  /** Releases that leave gaps between its runs all the same: theirs makes the next one in its next round only. */
  readonly hasGapsIn?: string;
  /** Has no automated runs: it is triggered. */
  readonly isTriggered?: true;
}

const plain = { file: "plain", way: "in-a-gap" } as const;
const rare = { file: "rare", way: "in-a-gap" } as const;
const held = { file: "rare", way: "handed-over" } as const;
const minutely = { everySeconds: 60 } as const;
const twoMinutely = { everySeconds: 120 } as const;

export const kinds: readonly Kind[] = [
  { dag: "cut_chain", ...plain, ...minutely },
  { dag: "cut_consumer", in: ">=2.4", ...plain },
  { dag: "cut_daily", ...plain, everySeconds: 86_400, history: 20 },
  { dag: "cut_delta", ...plain, ...minutely },
  { dag: "cut_latest", ...plain, ...minutely },
  { dag: "cut_manual", ...plain, isTriggered: true },
  { dag: "cut_mapped", in: ">=2.3", ...plain, ...twoMinutely },
  { dag: "cut_minutely", ...plain, ...minutely },
  { dag: "cut_producer", in: ">=2.4", ...plain, ...twoMinutely },
  { dag: "cut_single", ...plain, ...minutely },
  { dag: "cut_two_minutely", ...plain, ...twoMinutely },
  { dag: "cut_downstream", ...rare, ...minutely },
  { dag: "cut_ended", ...rare, history: 3 },
  { dag: "cut_once", ...rare },
  { dag: "cut_timetable", in: ">=2.2", ...rare, ...twoMinutely },
  { dag: "cut_deferred", in: ">=2.2", ...held, ...twoMinutely },
  { dag: "cut_long", ...held, ...minutely, hasGapsIn: "<2.0" },
  { dag: "cut_reschedule", ...held, ...twoMinutely },
  { dag: "cut_retry", ...held, ...twoMinutely },
  { dag: "cut_autumn", file: "rare", way: "across-a-change" },
  { dag: "cut_spring", file: "rare", way: "across-a-change" },
  { dag: "cut_both", in: ">=2.4", file: "rare", way: "two-events", history: 0 },
  { dag: "cut_often", in: ">=2.4", file: "rare", way: "two-events", history: 0 },
  { dag: "cut_rare", in: ">=2.4", file: "rare", way: "two-events", history: 0 },
  { dag: "ref_autumn", file: "rare", way: "reference" },
  { dag: "ref_spring", file: "rare", way: "reference" },
];

/** Those that both releases have, by id. */
export function kindsOf(pair: readonly ReleaseName[], files: readonly Kind["file"][]): readonly Kind[] {
  return kinds
    .filter((kind) => files.includes(kind.file) && pair.every((release) => isInRange(release, kind.in ?? ">=1.10")))
    .toSorted((a, b) => (a.dag < b.dag ? -1 : 1));
}

/** DAGs whose next tick comes within two minutes. */
export function isQuick({ everySeconds = Number.POSITIVE_INFINITY }: Kind): boolean {
  return everySeconds <= 120;
}
