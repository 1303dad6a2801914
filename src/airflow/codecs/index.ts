import type { Codec } from "./codec.ts";
import { digest, jsonObject, reencrypt } from "./secret-codecs.ts";
import { openConfReader, openConfWriter, openXcomReader } from "./value-codecs.ts";

export type { Codec, CodecContext, CodecOutcome } from "./codec.ts";
export { decryptToken, encryptToken, type FernetKeys, parseFernetKeys } from "./fernet.ts";
export { fernetKeyInvalid } from "./problems.ts";

/** The codecs that entity files name, by id. */
export const codecs = {
  /** xcom.value up to 2.11 to the JSON that 3.x keeps. Undecodable values are kept whole, labelled. */
  "xcom-2-to-json": {
    id: "xcom-2-to-json",
    input: "bytea",
    output: "jsonb",
    needs: [],
    open: openXcomReader,
  },
  /** xcom.value of 3.x to the UTF-8 text that 2.x keeps, as Airflow's own downgrade does. */
  "xcom-json-to-bytes": {
    id: "xcom-json-to-bytes",
    input: "text",
    output: "bytea",
    needs: [],
    open: () => (value) => ({ value }),
  },
  /** dag_run.conf up to 2.11 to the JSON that 3.x keeps; an empty conf becomes SQL NULL. Undecodable values are kept whole, labelled. */
  "conf-pickle-to-json": {
    id: "conf-pickle-to-json",
    input: "bytea",
    output: "jsonb",
    needs: [],
    open: openConfReader,
  },
  /** dag_run.conf of 3.x to the pickle that 2.x keeps. */
  "conf-json-to-pickle": {
    id: "conf-json-to-pickle",
    input: "text",
    output: "bytea",
    needs: [],
    open: openConfWriter,
  },
  /** A secret, tagged `e` (Fernet token) or `p` (plain text), to a token under the target's first key. */
  secret: {
    id: "secret",
    input: "text",
    output: "text",
    needs: ["sourceKey", "targetKey"],
    open: (context) => (value) => reencrypt(value, context),
  },
  /** A secret, tagged likewise, to a keyed digest of its plain text, for comparing both sides. */
  "secret-digest": {
    id: "secret-digest",
    input: "text",
    output: "text",
    needs: ["sourceKey"],
    open: (context) => (value) => digest(value, context),
  },
  /** A secret, tagged likewise, to nothing: a problem where its plain text is neither empty nor a JSON object. */
  "secret-json-object": {
    id: "secret-json-object",
    input: "text",
    output: "text",
    needs: ["sourceKey"],
    open: (context) => (value) => jsonObject(value, context),
  },
} as const satisfies Readonly<Record<string, Codec>>;

/** The id of a codec, as entity files write it. */
export type CodecId = keyof typeof codecs;
