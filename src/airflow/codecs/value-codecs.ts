import type { JsonResult } from "./changes.ts";
import type { CodecContext, CodecOutcome } from "./codec.ts";
import { pickleToJson, valueToJson } from "./pickle-json.ts";
import { readPickle } from "./pickle-reader.ts";
import { jsonToPickle } from "./pickle-writer.ts";
import { labelledValue, pythonJsonToStrict } from "./python-json.ts";
import type { PyValue } from "./python-value.ts";
import { ZoneOffsets } from "./zone-offsets.ts";

const PROTO = 0x80;

/** xcom.value of Airflow 1.10 to 2.11: a pickle (a 0x80 first, or protocol 0 or 1) or the UTF-8 text of Python's JSON. */
export function openXcomReader(): (value: Buffer) => CodecOutcome {
  const zones = new ZoneOffsets();
  return (value) => {
    if (value[0] === PROTO) return outcome(value, pickleToJson(value, { flavour: "xcom", zones }));
    const text = pythonJsonToStrict(value);
    if (text.ok) return outcome(value, text);
    const pickled = pickleToJson(value, { flavour: "xcom", zones });
    return outcome(value, pickled.ok ? pickled : text);
  };
}

/** dag_run.conf of Airflow 1.10 to 2.11: a pickle, whose empty dict and None mean "no conf". */
export function openConfReader(): (value: Buffer) => CodecOutcome {
  const zones = new ZoneOffsets();
  return (value) => {
    const read = readPickle(value);
    if (!read.ok) return outcome(value, read);
    if (isNoConf(read.value)) return { value: null };
    // Airflow's own downgrade on SQLite pickles the JSON text instead of the dict.
    const text = typeof read.value === "string" ? objectText(read.value) : undefined;
    if (text?.ok === true && /^\{\s*\}$/.test(text.json.trim())) return { value: null };
    return outcome(value, text ?? valueToJson(read.value, value.length, { flavour: "plain", zones }));
  };
}

function isNoConf(value: PyValue): boolean {
  if (value === null) return true;
  return typeof value === "object" && value.kind === "dict" && value.items.length === 0;
}

function objectText(text: string): JsonResult | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  const result = pythonJsonToStrict(Buffer.from(text, "utf8"));
  return result.ok ? result : undefined;
}

/** dag_run.conf of Airflow 3 as a pickle for Airflow 2.11 and older. JSON null means "no conf". */
export function openConfWriter({ pickleProtocol }: CodecContext): (value: Buffer) => CodecOutcome {
  return (value) => {
    if (value.toString("latin1").trim() === "null") return { value: null };
    const written = jsonToPickle(value, pickleProtocol);
    return written.ok
      ? { value: written.bytes }
      : { value: null, problem: { kind: "conf-unwritable", reason: written.reason } };
  };
}

function outcome(value: Buffer, result: JsonResult): CodecOutcome {
  if (!result.ok) {
    const labelled = Buffer.from(labelledValue(value, result.reason), "utf8");
    return { value: labelled, problem: { kind: "undecodable", reason: result.reason } };
  }
  const json = Buffer.from(result.json, "utf8");
  return result.changes.length === 0 ? { value: json } : { value: json, changes: result.changes };
}
