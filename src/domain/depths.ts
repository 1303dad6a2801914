/**
 * Names in groups of which none depends on another of its own, those that others depend on first. Names that are not in the list count for
 * nothing; a circle is cut where it is entered.
 */
export function inDepths(
  names: readonly string[],
  dependsOn: (name: string) => readonly string[],
): readonly (readonly string[])[] {
  const listed = new Set(names);
  const depths = new Map<string, number>();
  const depthOf = (name: string, above: readonly string[]): number => {
    const known = depths.get(name);
    if (known !== undefined || above.includes(name)) return known ?? 0;
    const parents = dependsOn(name).filter((each) => each !== name && listed.has(each));
    const depth = 1 + Math.max(0, ...parents.map((parent) => depthOf(parent, [...above, name])));
    depths.set(name, depth);
    return depth;
  };
  for (const name of names) depthOf(name, []);
  const groups = Map.groupBy(names, (name) => depths.get(name) ?? 0);
  return [...groups].toSorted(([a], [b]) => a - b).map(([, group]) => group);
}
