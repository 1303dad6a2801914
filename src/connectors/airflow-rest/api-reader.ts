import { z } from "zod";
import type { Query, RestApi } from "./apis.ts";
import type { Http } from "./http.ts";

/** The most that every environment gives at once: `[api] maximum_page_limit` is 100 unless somebody changed it. */
const PAGE_ROWS = 100;

interface Pages<T> {
  readonly path: readonly string[];
  readonly query?: Query;
  /** The field of the answer that holds the list. */
  readonly field: string;
  readonly item: z.ZodType<T>;
  /** Default: all. */
  readonly limit?: number;
}

/** Reads single answers and whole lists of one version of the API. */
export class ApiReader {
  readonly #http: Http;
  readonly #base: readonly string[];

  constructor(http: Http, base: RestApi["base"]) {
    this.#http = http;
    this.#base = base.split("/");
  }

  path(...parts: readonly string[]): readonly string[] {
    return [...this.#base, ...parts];
  }

  async get<T>(parts: readonly string[], shape: z.ZodType<T>, signal: AbortSignal, query: Query = {}): Promise<T> {
    return (await this.#http.call({ method: "get", path: this.path(...parts), query, shape }, signal)).value;
  }

  /** All pages of a list; rows that come or go meanwhile may be read twice or not at all, as with any list of this API. */
  async pages<T>({ path, query = {}, field, item, limit }: Pages<T>, signal: AbortSignal): Promise<readonly T[]> {
    const list = z.array(item);
    const shape = z
      .looseObject({ total_entries: z.int() })
      .transform((answer, context) => ({ total: answer.total_entries, rows: listOf(answer[field], list, context) }));
    const rows: T[] = [];
    for (;;) {
      const size = Math.min(PAGE_ROWS, (limit ?? Number.POSITIVE_INFINITY) - rows.length);
      const page = { ...query, limit: String(size), offset: String(rows.length) };
      const answer = await this.get(path, shape, signal, page);
      rows.push(...answer.rows);
      const wanted = Math.min(answer.total, limit ?? Number.POSITIVE_INFINITY);
      if (answer.rows.length === 0 || rows.length >= wanted) return rows;
    }
  }
}

/** The list of an answer, whose name differs; what is wrong with it is told with its place. */
function listOf<T>(value: unknown, list: z.ZodType<readonly T[]>, context: z.RefinementCtx): readonly T[] {
  const parsed = list.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const { path, message } of parsed.error.issues.slice(0, 1)) {
    context.addIssue({ code: "custom", path: [...path], message });
  }
  return z.NEVER;
}
