/** Letters to change, add or leave out to get from one word to the other (Levenshtein). */
function distance(left: string, right: string): number {
  const first = Array.from({ length: right.length + 1 }, (_, index) => index);
  const last = Array.from(left).reduce<readonly number[]>((above, letter, row) => {
    const next = [row + 1];
    for (const [column, other] of Array.from(right).entries()) {
      const changed = (above[column] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (above[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    return next;
  }, first);
  return last[right.length] ?? 0;
}

/** The known word that was probably meant: at most a third of its letters differ, case and `_`, `-` aside; else undefined. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_]/g, "");
  const ranked = known
    .map((each) => ({ each, far: distance(plain(word), plain(each)) }))
    .filter(({ each, far }) => far <= Math.max(1, Math.floor(each.length / 3)))
    .sort((one, other) => one.far - other.far);
  return ranked[0]?.each;
}
