import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadFixture } from "../../src/databases/postgres/load-fixture.ts";
import { openPostgres } from "../../src/databases/postgres/postgres.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { VerifyReport } from "../../src/engine/verify/report.ts";
import type { VerifyJob } from "../../src/engine/verify/verify-context.ts";
import type { Session } from "../../src/ports/database.ts";
import { applyAll, type Probed, verifyAll } from "../support/a-copy.ts";
import { fillAirflow3 } from "../support/airflow-3-rows.ts";
import { freshDatabase, templateDatabase } from "../support/database.ts";

const folder = join(import.meta.dirname, "../fixtures");
const sourceKeys = new Secret(readFileSync(join(folder, "fernet.key"), "utf8").trim());

/** The key of every target. */
export const targetKeys = new Secret(Buffer.alloc(32, 7).toString("base64"));

const EMPTY = { "2.10.5": "airflow-2.10.5-empty.sql.gz", "3.3.2": "airflow-3.3.2-empty.sql.gz" } as const;

/** A pair of releases that copies are proven for. */
export interface Copy {
  readonly name: string;
  readonly releases: readonly [source: keyof typeof EMPTY, target: keyof typeof EMPTY];
}

function between(...releases: Copy["releases"]): Copy {
  return { name: releases.join(" to "), releases };
}

export const TO_AIRFLOW_3: Copy = between("2.10.5", "3.3.2");
export const WITHIN_2: Copy = between("2.10.5", "2.10.5");

export const COPIES: readonly Copy[] = [TO_AIRFLOW_3, WITHIN_2, between("3.3.2", "2.10.5"), between("3.3.2", "3.3.2")];

async function fixture(file: string): Promise<string> {
  const path = join(folder, file);
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 12);
  return await templateDatabase(`fixture_${digest}`, (url) => loadFixture(url, path));
}

/** Works in a session in which foreign keys are not checked: damage may be of any kind. */
export async function inDatabase<T>(url: string, work: (session: Session) => Promise<T>): Promise<T> {
  await using database = openPostgres({ url: new Secret(url), name: "changes", maxSessions: 1 });
  await using session = await database.session();
  await session.query("set session_replication_role = replica");
  return await work(session);
}

type Opened = AsyncDisposableStack;

/** A 3.3.2 with rows of everything: its own, and what a copy from 2.10.5 brought. */
async function fullAirflow3(resources: Opened): Promise<string> {
  const source = resources.use(await freshDatabase({ template: await fixture("airflow-2.10.5.sql.gz") }));
  const both = resources.use(await freshDatabase({ template: await fixture(EMPTY["3.3.2"]) }));
  await inDatabase(both.url, fillAirflow3);
  // What is encrypted here is the source's in the copies that follow.
  await applyAll({ source: source.url, target: both.url, sourceKeys, targetKeys: sourceKeys });
  await inDatabase(both.url, (session) => session.query("drop schema crosswind cascade"));
  return both.name;
}

/** A copy that is done, of a source that has rows of everything its release keeps. */
export async function doneCopy({ releases: [from, to] }: Copy, resources: Opened): Promise<Probed> {
  const full = from === "3.3.2" ? await fullAirflow3(resources) : await fixture("airflow-2.10.5.sql.gz");
  const pair = {
    source: resources.use(await freshDatabase({ template: full })).url,
    target: resources.use(await freshDatabase({ template: await fixture(EMPTY[to]) })).url,
    sourceKeys,
    targetKeys,
  };
  return { ...pair, ...(await applyAll(pair)) };
}

/** Damages a target of the test's own, made from a copy's, and compares. */
export async function verifyDamaged<T>(
  pair: Probed,
  damage: (target: Session) => Promise<T>,
  options?: Partial<VerifyJob>,
): Promise<{ report: VerifyReport; damaged: T }> {
  await using target = await freshDatabase({ template: new URL(pair.target).pathname.slice(1) });
  const damaged = await inDatabase(target.url, damage);
  return { damaged, report: await verifyAll({ ...pair, target: target.url }, options) };
}
