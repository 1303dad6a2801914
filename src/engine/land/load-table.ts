import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Session } from "../../ports/database.ts";
import type { RawReading, RawRow, RawValue } from "../../ports/raw-source.ts";
import { identifier } from "../translate/translate.ts";
import { CopyWriter } from "./copy-writer.ts";
import { type Encoder, encoderFor, NeedsCare } from "./encode.ts";
import type { LandedShape } from "./landed-shape.ts";
import * as problems from "./problems.ts";
import { rowLabel, type UnfitValues } from "./unfit.ts";

/** What was put into a table: its rows, and a digest of all of them in the source's order. */
export interface Loaded {
  readonly rows: number;
  readonly digest: string;
}

export interface LoadJob {
  readonly reading: RawReading;
  readonly unfit: UnfitValues;
  /** Called for every batch with the rows so far; what it throws stops the landing. */
  readonly onRows: (rows: number) => void;
}

interface Load extends LoadJob {
  readonly shape: LandedShape;
  readonly isCareful: boolean;
}

/** Encodes rows one after the other; those that can not be kept are left out and remembered. */
class TableEncoder {
  readonly writer = new CopyWriter();
  rows = 0;
  #read = 0;
  readonly #load: Load;
  readonly #encoders: readonly Encoder[];

  constructor(load: Load) {
    this.#load = load;
    this.#encoders = load.shape.types.map((type) => encoderFor(type, load.isCareful));
  }

  add(row: RawRow): void {
    this.#read += 1;
    const { writer } = this;
    const fields = this.#encoders.length;
    writer.beginRow(fields);
    for (let at = 0; at < fields; at++) {
      const value = row[at] as RawValue;
      const unfit = value === null ? writer.null() : this.#encoders[at]?.(writer, value);
      if (unfit !== undefined) {
        this.#leaveOut(row, at, unfit);
        return;
      }
    }
    this.rows += 1;
  }

  /** Every unfit value of the row is told, not only the first. */
  #leaveOut(row: RawRow, first: number, reason: string): void {
    this.writer.dropRow();
    const { shape, unfit } = this.#load;
    const label = rowLabel(shape, row, this.#read);
    const scratch = new CopyWriter(1024);
    row.forEach((value, at) => {
      const why =
        at === first ? reason : value === null || at < first ? undefined : this.#encoders[at]?.(scratch, value);
      const column = shape.raw.columns[at]?.name ?? "";
      if (why !== undefined) unfit.add({ table: shape.raw.name, column, reason: why, row: label });
    });
  }
}

async function* encoded(load: Load, onEnd: (loaded: Loaded) => void): AsyncGenerator<Buffer> {
  const encoder = new TableEncoder(load);
  const digest = createHash("sha256");
  const taken = () => {
    const bytes = encoder.writer.take();
    digest.update(bytes);
    return bytes;
  };
  for await (const batch of load.reading.rows(load.shape.raw, { isExact: load.isCareful })) {
    load.onRows(encoder.rows);
    for (const row of batch) {
      encoder.add(row);
      if (encoder.writer.isFull) yield taken();
    }
  }
  encoder.writer.end();
  yield taken();
  onEnd({ rows: encoder.rows, digest: digest.digest("hex") });
}

async function copyRows(session: Session, into: string, load: Load): Promise<Loaded> {
  let loaded: Loaded | undefined;
  const columns = load.shape.raw.columns.map((column) => identifier(column.name)).join(", ");
  const rows = Readable.from(
    encoded(load, (all) => {
      loaded = all;
    }),
    { objectMode: true, highWaterMark: 2 },
  );
  await pipeline(rows, session.copyIn(`${into} (${columns})`));
  if (loaded === undefined) throw new Error("a COPY ended before its rows");
  return loaded;
}

/** SQLSTATE class 22, data exception (PostgreSQL manual, appendix A): Postgres refused a value. */
function isRefusedValue(error: unknown): error is Error & { readonly code: string } {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" && /^22[0-9A-Z]{3}$/.test(code);
}

/**
 * Fills an empty table of staging with a source's table, in the session's transaction.
 *
 * Values are first only looked at where their form changes; where Postgres refuses one, the table is read again with every value checked, so
 * that each that does not fit is found. Throws LANDING_VALUE_REFUSED where Postgres refuses what was found to fit.
 */
export async function loadTable(session: Session, into: string, shape: LandedShape, job: LoadJob): Promise<Loaded> {
  await session.query("savepoint landing");
  try {
    const loaded = await copyRows(session, into, { ...job, shape, isCareful: false });
    await session.query("release savepoint landing");
    return loaded;
  } catch (error) {
    if (!(error instanceof NeedsCare) && !isRefusedValue(error)) throw error;
  }
  await session.query("rollback to savepoint landing");
  job.unfit.forget(shape.raw.name);
  try {
    return await copyRows(session, into, { ...job, shape, isCareful: true });
  } catch (error) {
    if (!isRefusedValue(error)) throw error;
    throw problems.valueRefused({ table: shape.raw.name, state: error.code }, { cause: error });
  }
}
