import { PassThrough, type TransformCallback } from "node:stream";

/** Passes bytes on and counts them. */
export class ByteCounter extends PassThrough {
  readonly #onBytes: (bytes: number) => void;
  bytes = 0;

  constructor(onBytes: (bytes: number) => void) {
    super({ highWaterMark: 256 * 1024 });
    this.#onBytes = onBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.bytes += chunk.length;
    this.#onBytes(chunk.length);
    callback(null, chunk);
  }
}
