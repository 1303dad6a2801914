import { type ReleaseName, releases } from "../airflow/support/releases.ts";

/**
 * A database of the matrix: the releases that its schema went through, the first one freshly initialised, each next one by that release's own
 * `airflow db migrate`. The last one is its release.
 */
export type Path = readonly [ReleaseName, ...ReleaseName[]];

/** One case: content of the source goes to the first target, from there to the next one, and is compared in the last. */
export interface Case {
  readonly source: Path;
  readonly targets: readonly [Path, ...Path[]];
}

export const allReleases = Object.keys(releases) as readonly ReleaseName[];

/** Targets begin with the oldest release that the REST API and the fact pages cover whole. */
const OLDEST_TARGET = allReleases.indexOf("2.2.5");

/** Databases that a genuine migration made, as they are found in old environments. */
const upgraded = [
  ["1.10.15", "2.10.5"],
  ["1.10.15", "2.10.5", "3.3.2"],
  ["2.4.3", "2.11.0"],
] as const satisfies readonly Path[];

/** Far backward, besides each release's predecessor. */
const farBackward = [
  ["3.3.2", "2.11.0"],
  ["3.3.2", "2.10.5"],
] as const;

export function releaseOf(path: Path): ReleaseName {
  return path.at(-1) ?? path[0];
}

export function nameOfPath(path: Path): string {
  return path.join("→");
}

export function nameOf(each: Case): string {
  return [each.source, ...each.targets].map(nameOfPath).join(" to ");
}

function pair(source: ReleaseName | Path, target: ReleaseName | Path): Case {
  const path = (side: ReleaseName | Path): Path => (typeof side === "string" ? [side] : side);
  return { source: path(source), targets: [path(target)] };
}

function roundTrip(there: ReleaseName, between: ReleaseName): Case {
  return { source: [there], targets: [[between], [there]] };
}

function forward(): readonly Case[] {
  return allReleases.flatMap((target, index) =>
    index < OLDEST_TARGET ? [] : allReleases.slice(0, index + 1).map((source) => pair(source, target)),
  );
}

function backward(): readonly Case[] {
  const predecessors = allReleases
    .slice(OLDEST_TARGET + 1)
    .map((source, index) => pair(source, allReleases[OLDEST_TARGET + index] ?? source));
  return [...predecessors, ...farBackward.map(([source, target]) => pair(source, target))];
}

function withUpgraded(): readonly Case[] {
  const [to2, to3, to211] = upgraded;
  return [
    pair(to2, "3.3.2"),
    pair(to2, "2.10.5"),
    pair(to3, "3.3.2"),
    pair(to3, "2.11.0"),
    pair(to211, "3.0.6"),
    pair(to211, to3),
    pair("2.4.3", to2),
    pair("2.4.3", to211),
    pair("2.10.5", to3),
    pair("3.2.2", to3),
    pair("3.3.2", to211),
  ];
}

/** Every case: any release to each newer one and to itself, backward, databases that were upgraded, and there and back. */
export const allCases: readonly Case[] = [
  ...forward(),
  ...backward(),
  ...withUpgraded(),
  roundTrip("2.10.5", "3.3.2"),
  roundTrip("2.4.3", "2.11.0"),
  roundTrip("3.2.2", "3.3.2"),
];

/** A dozen that needs six releases only, so that a machine without any has its answer within minutes: the vitest project `matrix`. */
export const testCases: readonly Case[] = [
  pair("1.10.15", "3.3.2"),
  pair("1.10.15", "2.4.3"),
  pair("2.4.3", "2.11.0"),
  pair("2.4.3", "3.3.2"),
  pair("2.10.5", "3.0.6"),
  pair("3.0.6", "3.3.2"),
  pair("2.11.0", "2.4.3"),
  pair("3.3.2", "2.11.0"),
  pair("3.3.2", "3.0.6"),
  pair(upgraded[2], "3.3.2"),
  pair("2.10.5", upgraded[1]),
  roundTrip("2.10.5", "3.3.2"),
];
