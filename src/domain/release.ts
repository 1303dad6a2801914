/** An Airflow release as text: `2.10.5`. Compared number by number, so `2.9` is before `2.10`. */
export type Release = string;

/**
 * A range of releases: comparisons joined by a blank, all of which must hold.
 * `">=2.2 <3.0"`, `"<2.3"`; the empty text is every release.
 */
export type Range = string;

function numbersOf(release: Release): readonly number[] {
  return release.split(".").map(Number);
}

/** Negative when `a` is older than `b`, 0 when equal (missing parts count as 0), positive when newer. */
export function compareReleases(a: Release, b: Release): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let part = 0; part < Math.max(left.length, right.length); part++) {
    const difference = (left[part] ?? 0) - (right[part] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const COMPARISONS: Readonly<Record<string, (order: number) => boolean>> = {
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
  "=": (order) => order === 0,
};

/** True when the release lies in the range. Throws a plain Error for a malformed range: that is a bug in an entity file. */
export function isInRange(release: Release, range: Range | undefined): boolean {
  if (range === undefined || range === "") return true;
  return range.split(" ").every((part) => {
    const match = /^(<=|>=|<|>|=)(\d+(?:\.\d+)*)$/.exec(part);
    const compare = match?.[1] === undefined ? undefined : COMPARISONS[match[1]];
    if (compare === undefined || match?.[2] === undefined) throw new Error(`malformed range of releases: "${range}"`);
    return compare(compareReleases(release, match[2]));
  });
}
