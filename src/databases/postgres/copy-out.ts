import { Readable } from "node:stream";
import type { Connection, Submittable } from "pg";

/** Code and length in front of every message of the server. Source: PostgreSQL manual, "Message Formats". */
const HEADER_BYTES = 5;
const COPY_DATA = "d".charCodeAt(0);
const COPY_OUT_RESPONSE = "H".charCodeAt(0);
const COPY_DONE = "c".charCodeAt(0);
const ERROR_RESPONSE = "E".charCodeAt(0);

/** Bytes ready for the reader before the socket is paused. */
const READY_BYTES = 256 * 1024;

type DataListener = (chunk: Buffer) => void;

/**
 * `COPY .. TO STDOUT` as a stream of what is copied.
 *
 * The server sends every row as a message of its own. pg-copy-streams makes objects of each, which costs more time and memory than all else
 * that happens to the bytes here; this moves the rows of a socket's read together where they lie. Everything that is not a row goes to the driver.
 */
export class CopyOut extends Readable implements Submittable {
  readonly #statement: string;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #code = 0;
  /** Bytes of the message under way that are still to come. */
  #left = 0;
  #connection: Connection | undefined;
  #driver: DataListener | undefined;
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);

  constructor(statement: string) {
    super({ highWaterMark: READY_BYTES });
    this.#statement = statement;
  }

  /** Called by the driver when it is this statement's turn. */
  submit(connection: Connection): void {
    this.#connection = connection;
    const { stream } = connection;
    this.#driver = stream.listeners("data")[0] as DataListener;
    stream.off("data", this.#driver).on("data", this.#onData);
    connection.query(this.#statement);
  }

  override _read(): void {
    if (this.#driver !== undefined) this.#connection?.stream.resume();
  }

  handleError(error: Error): void {
    this.#handBack();
    this.destroy(error);
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {}

  /** The driver listens again, and gets what was read too far. */
  #handBack(rest?: Buffer): void {
    const driver = this.#driver;
    if (driver === undefined) return;
    this.#driver = undefined;
    this.#connection?.stream.off("data", this.#onData).on("data", driver);
    if (rest !== undefined && rest.length > 0) driver(Buffer.from(rest));
    this.#connection?.stream.resume();
  }

  #take(chunk: Buffer): void {
    let at = 0;
    let kept = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        at = this.#takeHeader(chunk, at);
        if (this.#headerBytes === HEADER_BYTES && this.#begin()) {
          this.#pass(chunk, kept);
          this.#end(chunk.subarray(at));
          return;
        }
        continue;
      }
      const end = Math.min(at + this.#left, chunk.length);
      if (this.#code === COPY_DATA) {
        chunk.copyWithin(kept, at, end);
        kept += end - at;
      } else if (this.#code !== COPY_OUT_RESPONSE) this.#driver?.(Buffer.from(chunk.subarray(at, end)));
      this.#left -= end - at;
      at = end;
    }
    this.#pass(chunk, kept);
  }

  #takeHeader(chunk: Buffer, at: number): number {
    const bytes = Math.min(HEADER_BYTES - this.#headerBytes, chunk.length - at);
    chunk.copy(this.#header, this.#headerBytes, at, at + bytes);
    this.#headerBytes += bytes;
    return at + bytes;
  }

  /** Begins the message whose header is complete. True for one that ends the copy. */
  #begin(): boolean {
    this.#headerBytes = 0;
    this.#code = this.#header[0] ?? 0;
    this.#left = this.#header.readUInt32BE(1) - 4;
    if (this.#code === COPY_DONE || this.#code === ERROR_RESPONSE) return true;
    if (this.#code !== COPY_DATA && this.#code !== COPY_OUT_RESPONSE) this.#driver?.(Buffer.from(this.#header));
    return false;
  }

  #pass(chunk: Buffer, bytes: number): void {
    if (bytes > 0 && !this.push(chunk.subarray(0, bytes))) this.#connection?.stream.pause();
  }

  /** An error is the driver's to read: it then calls `handleError`. */
  #end(rest: Buffer): void {
    if (this.#code === COPY_DONE) {
      this.#handBack(rest);
      this.push(null);
    } else this.#handBack(Buffer.concat([this.#header, rest]));
  }
}
