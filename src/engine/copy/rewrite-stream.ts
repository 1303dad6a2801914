import { Transform, type TransformCallback } from "node:stream";
import type { CodecOutcome } from "../../airflow/codecs/index.ts";
import { OutputBuffer } from "./output-buffer.ts";

/** An opened codec: one value in, what became of it out. */
export type Rewrite = (value: Buffer) => CodecOutcome;

/** What a codec did to values of one field, for the report. `examples` are keys of rows, at most a handful. */
export interface ChangedValues {
  readonly field: string;
  readonly kind: string;
  readonly reason: string;
  readonly count: number;
  readonly examples: readonly string[];
}

/** A column of the stream: rewritten where it has an opened codec, readable as part of a row's name where `isKey`. */
export interface StreamColumn {
  readonly field: string;
  readonly type: string;
  readonly isKey: boolean;
  readonly rewrite?: Rewrite;
}

/** `PGCOPY\n\377\r\n\0`, four bytes of flags, four of extension length. Source: PostgreSQL manual, COPY, "Binary Format". */
const HEADER_BYTES = 19;
const MOST_EXAMPLES = 5;
/** Larger values repeat seldom, and remembering them would cost the memory that the stream saves. */
const REMEMBERED_VALUE_BYTES = 1024;
const REMEMBERED_VALUES = 5000;
/** Fewer repetitions among that many values: remembering them costs more than it saves. */
const FEWEST_REPEATED = REMEMBERED_VALUES / 10;

/** Decodes repeated values once: the values of a task are mostly alike. Where they are not, it soon stops to remember. */
export function remember(codec: Rewrite): Rewrite {
  let known: Map<string, CodecOutcome> | undefined = new Map();
  let repeated = 0;
  return (value) => {
    if (known === undefined || value.length > REMEMBERED_VALUE_BYTES) return codec(value);
    const key = value.toString("latin1");
    const found = known.get(key);
    if (found !== undefined) {
      repeated++;
      return found;
    }
    const outcome = codec(value);
    known.set(key, outcome);
    if (known.size >= REMEMBERED_VALUES) {
      known = repeated < FEWEST_REPEATED ? undefined : new Map();
      repeated = 0;
    }
    return outcome;
  };
}

function keyPart(type: string, value: Buffer): string {
  if (type === "integer" && value.length === 4) return String(value.readInt32BE(0));
  if (type === "bigint" && value.length === 8) return String(value.readBigInt64BE(0));
  return value.toString("utf8");
}

/** Where a row lies in what came in: from `start` to `end`, exclusive. */
interface RowPlace {
  readonly start: number;
  readonly end: number;
}

/**
 * Rewrites single fields of a binary COPY stream; all other bytes pass as they are.
 *
 * Holds at most one row that is not complete yet. Malformed input is an error: it is never guessed at.
 */
export class RewriteStream extends Transform {
  readonly #columns: readonly StreamColumn[];
  readonly #changed = new Map<
    string,
    { count: number; examples: string[]; field: string; kind: string; reason: string }
  >();
  /** What came in of the row that is not complete, and how many bytes it has at least: joined once, not with every piece that comes. */
  #pieces: Buffer[] = [];
  #heldBytes = 0;
  #neededBytes = 0;
  #atHeader = true;
  #ended = false;

  constructor(columns: readonly StreamColumn[]) {
    super({ highWaterMark: 1 << 20 });
    this.#columns = columns;
  }

  /** What the codecs changed so far. */
  get changed(): readonly ChangedValues[] {
    return [...this.#changed.values()];
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#hold(chunk);
    if (this.#heldBytes < this.#neededBytes) {
      callback();
      return;
    }
    try {
      const [only] = this.#pieces;
      const input = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
      [this.#pieces, this.#heldBytes, this.#neededBytes] = [[], 0, 0];
      callback(null, this.#rewrite(input));
    } catch (error) {
      callback(error as Error);
    }
  }

  override _flush(callback: TransformCallback): void {
    callback(this.#ended ? null : new Error("the COPY stream ended in the middle of a row"));
  }

  #hold(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#heldBytes += piece.length;
  }

  #rewrite(input: Buffer): Buffer {
    let done = 0;
    if (this.#atHeader) {
      if (input.length < HEADER_BYTES) {
        this.#hold(input);
        return Buffer.alloc(0);
      }
      done = HEADER_BYTES + input.readInt32BE(HEADER_BYTES - 4);
      this.#atHeader = false;
    }
    const output = new OutputBuffer(input.length + Math.ceil(input.length / 4));
    output.append(input, 0, done);
    for (;;) {
      const end = this.#endOfRow(input, done);
      if (end === undefined) break;
      this.#rewriteRow(input, { start: done, end }, output);
      done = end;
    }
    this.#hold(input.subarray(done));
    return output.finish();
  }

  #endOfRow(input: Buffer, start: number): number | undefined {
    this.#neededBytes = 0;
    if (this.#ended || input.length < start + 2) return undefined;
    const fields = input.readInt16BE(start);
    if (fields === -1) {
      this.#ended = true;
      return start + 2;
    }
    if (fields !== this.#columns.length)
      throw new Error(`a row of the COPY stream has ${fields} fields, not ${this.#columns.length}`);
    let at = start + 2;
    for (let field = 0; field < fields; field++) {
      if (input.length < at + 4) return undefined;
      const length = input.readInt32BE(at);
      at += 4 + Math.max(length, 0);
      this.#neededBytes = at - start;
    }
    return input.length < at ? undefined : at;
  }

  #rewriteRow(input: Buffer, { start, end }: RowPlace, output: OutputBuffer): void {
    let passed = start;
    let at = start + 2;
    for (const column of end - start === 2 ? [] : this.#columns) {
      const length = input.readInt32BE(at);
      const next = at + 4 + Math.max(length, 0);
      if (column.rewrite !== undefined && length >= 0) {
        const outcome = column.rewrite(input.subarray(at + 4, next));
        output.append(input, passed, at);
        output.appendField(outcome.value, column.type);
        passed = next;
        if (outcome.problem !== undefined || outcome.changes !== undefined)
          this.#note(input.subarray(start, end), column, outcome);
      }
      at = next;
    }
    output.append(input, passed, end);
  }

  #note(row: Buffer, column: StreamColumn, outcome: CodecOutcome): void {
    const { problem } = outcome;
    if (problem !== undefined) this.#count(row, column, { kind: problem.kind, reason: problem.reason });
    for (const change of outcome.changes ?? []) this.#count(row, column, { kind: change.kind, reason: change.kind });
  }

  #count(row: Buffer, column: StreamColumn, what: { readonly kind: string; readonly reason: string }): void {
    const id = `${column.field}\n${what.kind}\n${what.reason}`;
    let entry = this.#changed.get(id);
    if (entry === undefined) {
      entry = { field: column.field, ...what, count: 0, examples: [] };
      this.#changed.set(id, entry);
    }
    entry.count++;
    if (entry.examples.length < MOST_EXAMPLES) entry.examples.push(this.#keyOf(row));
  }

  #keyOf(row: Buffer): string {
    const parts: string[] = [];
    let at = 2;
    for (const column of this.#columns) {
      const length = row.readInt32BE(at);
      if (column.isKey) parts.push(length < 0 ? "" : keyPart(column.type, row.subarray(at + 4, at + 4 + length)));
      at += 4 + Math.max(length, 0);
    }
    return parts.join(" · ");
  }
}
