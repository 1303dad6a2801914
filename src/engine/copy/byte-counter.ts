import { PassThrough, type TransformCallback } from "node:stream";
import type { Throttle } from "../../ports/durable.ts";

/** Passes bytes on and counts them; with a throttle no faster than it lets them. */
export class ByteCounter extends PassThrough {
  readonly #onBytes: (bytes: number) => void;
  readonly #throttle: Throttle | undefined;
  bytes = 0;

  constructor(onBytes: (bytes: number) => void, throttle?: Throttle) {
    super({ highWaterMark: 256 * 1024 });
    this.#onBytes = onBytes;
    this.#throttle = throttle;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.bytes += chunk.length;
    this.#onBytes(chunk.length);
    if (this.#throttle === undefined) callback(null, chunk);
    else this.#throttle.bytes(chunk.length).then(() => callback(null, chunk), callback);
  }
}
