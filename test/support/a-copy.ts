import { randomUUID } from "node:crypto";
import { parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { entities } from "../../src/airflow/entities/index.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { NO_CONFLICTS } from "../../src/domain/plan.ts";
import { Secret } from "../../src/domain/secret.ts";
import { EVERYTHING } from "../../src/domain/selection.ts";
import { defineApply } from "../../src/engine/copy/apply.ts";
import { probeSide } from "../../src/engine/probe/probe-side.ts";
import type { Side } from "../../src/engine/translate/translate.ts";
import type { VerifyReport } from "../../src/engine/verify/report.ts";
import type { VerifyJob } from "../../src/engine/verify/verify-context.ts";
import { verifyCopy } from "../../src/engine/verify/verify-copy.ts";
import { openRun } from "../../src/runs/dbos-runs.ts";
import { freshDatabase } from "./database.ts";

/** A source and a target of a test, by their URLs, with the keys of both. */
export interface Pair {
  readonly source: string;
  readonly target: string;
  readonly sourceKeys: Secret;
  readonly targetKeys: Secret;
}

/** A pair with what a probe of both sides says: the same for every target of one schema. */
export interface Probed extends Pair {
  readonly sourceSide: Side;
  readonly targetSide: Side;
}

/** The same source, whatever its database is called, in the ledger of every copy of a target. */
const IDENTITY = "the source of a test";

/** Who carries a run in a test. */
export const AS_CARRIER = { role: "carrier", version: "test", tag: "test", who: "somebody", host: "here" } as const;

async function open(pair: Pair & Partial<Probed>, resources: AsyncDisposableStack) {
  const source = resources.use(openPostgres({ url: new Secret(pair.source), name: "source", readOnly: true }));
  const target = resources.use(openPostgres({ url: new Secret(pair.target), name: "target" }));
  const probe = async (name: "source" | "target") =>
    (await probeSide(name === "source" ? source : target, { name, entities, keys: undefined })).side;
  return {
    source,
    target,
    sourceSide: pair.sourceSide ?? (await probe("source")),
    targetSide: pair.targetSide ?? (await probe("target")),
    identity: IDENTITY,
    entities,
    selection: EVERYTHING,
    codecs: { sourceKeys: parseFernetKeys(pair.sourceKeys), targetKeys: parseFernetKeys(pair.targetKeys) },
    onEvent: () => {},
  };
}

/** Copies everything from the source to the target, by the durable run that `crosswind apply` uses. Gives both sides as they were probed. */
export async function applyAll(pair: Pair): Promise<Pick<Probed, "sourceSide" | "targetSide">> {
  await using resources = new AsyncDisposableStack();
  const state = resources.use(await freshDatabase());
  const run = randomUUID();
  const job = { ...(await open(pair, resources)), run, conflicts: NO_CONFLICTS, now: new Date() };
  await using definition = defineApply(job, { expected: {}, maxSnapshotMs: 3_600_000 });
  const place = { url: new Secret(state.url), label: "the state of a test" };
  await using opened = openRun({ run, state: place, lanes: 2, ...AS_CARRIER });
  await opened.carry(definition, { signal: new AbortController().signal });
  return { sourceSide: job.sourceSide, targetSide: job.targetSide };
}

/** Compares both sides. */
export async function verifyAll(pair: Pair & Partial<Probed>, options: Partial<VerifyJob> = {}): Promise<VerifyReport> {
  await using resources = new AsyncDisposableStack();
  return await verifyCopy({ ...(await open(pair, resources)), now: () => new Date(), ...options });
}
