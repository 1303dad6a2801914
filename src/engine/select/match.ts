import picomatch from "picomatch";

/**
 * True when the name is selected by a list of patterns: `*` and `?`, a leading `!` excludes, a later pattern wins over an earlier one.
 * A list that starts with an exclusion selects everything else.
 */
export function isSelected(name: string, patterns: readonly string[]): boolean {
  let selected = patterns[0]?.startsWith("!") === true;
  for (const pattern of patterns) {
    const excludes = pattern.startsWith("!");
    const matches = picomatch.isMatch(name, excludes ? pattern.slice(1) : pattern, {
      bash: true,
      dot: true,
      noextglob: true,
    });
    if (matches) selected = !excludes;
  }
  return selected;
}

/** True when the patterns can not leave anything out. */
export function selectsEverything(patterns: readonly string[]): boolean {
  return patterns.length === 1 && patterns[0] === "*";
}

/** True for a pattern that names one thing and can be no other's. */
export function isName(pattern: string): boolean {
  return !/[*?!\\[\]{}()]/.test(pattern);
}
