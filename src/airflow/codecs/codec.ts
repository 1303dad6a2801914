import type { Change } from "./changes.ts";
import type { FernetKeys } from "./fernet.ts";
import type { PickleProtocol } from "./pickle-writer.ts";

/** What codecs may need besides the value. Made once per copy of an entity. */
export interface CodecContext {
  /** Keys of the environment that wrote the value. */
  readonly sourceKeys?: FernetKeys;
  /** Keys of the environment that is to read it; its first key encrypts. */
  readonly targetKeys?: FernetKeys;
  /** Default 4, which every Python 3 that Airflow supports can read. */
  readonly pickleProtocol?: PickleProtocol;
  /** A random key of this process, for "secret-digest" only. */
  readonly digestKey?: Buffer;
}

/** What became of one value. */
export interface CodecOutcome {
  /** The content to write, or null for SQL NULL. */
  readonly value: Buffer | null;
  /** What had to be changed on the way; missing when nothing was. */
  readonly changes?: readonly Change[];
  /** Why the value could not be converted. `value` then is a labelled copy or null. The reason never shows content. */
  readonly problem?: { readonly kind: string; readonly reason: string };
}

/**
 * Rewrites single field values: content in, content out (for jsonb the JSON text). The values a codec gives depend on nothing but the
 * value and the context. It is never called for SQL NULL.
 */
export interface Codec {
  readonly id: string;
  /** Database type of the value that goes in. */
  readonly input: "bytea" | "text";
  /** Database type of the value that comes out. */
  readonly output: "jsonb" | "json" | "bytea" | "text";
  readonly needs: readonly ("sourceKey" | "targetKey")[];
  open(context: CodecContext): (value: Buffer) => CodecOutcome;
}
