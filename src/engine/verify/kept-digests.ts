import type { Sql } from "../../domain/entity.ts";
import type { Digests } from "./digests.ts";

/**
 * Digests of slices, kept while a comparison lasts, so that one that was stopped or killed goes on where it was. Found by the query that read them: it
 * names the slice, the rows that are compared and the hash, so that another selection finds none.
 */
export interface KeptDigests {
  /** When the oldest of those that were found was read; undefined where none was. */
  readonly since: Date | undefined;
  find(query: Sql): Digests | undefined;
  keep(query: Sql, digests: Digests): Promise<void>;
}

/** Takes digests that are kept, or reads them and keeps them. */
export class DigestReader {
  readonly #kept: KeptDigests | undefined;
  #isAnew = false;
  /** True when some were taken that were kept: what they are of may have changed since. */
  isMixed = false;

  constructor(kept: KeptDigests | undefined) {
    this.#kept = kept;
  }

  /** From now on nothing that was kept is taken. */
  beginAnew(): void {
    this.#isAnew = true;
    this.isMixed = false;
  }

  async read(query: Sql, read: () => Promise<Digests>): Promise<Digests> {
    const known = this.#isAnew ? undefined : this.#kept?.find(query);
    if (known !== undefined) {
      this.isMixed = true;
      return known;
    }
    const digests = await read();
    await this.#kept?.keep(query, digests);
    return digests;
  }
}
