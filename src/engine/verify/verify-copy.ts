import { BUCKETS } from "./digest-sql.ts";
import * as problems from "./problems.ts";
import { repair } from "./repair.ts";
import { isEqual, type RepairedEntity, type VerifiedEntity, type VerifyReport } from "./report.ts";
import { ofLiveDags, openVerify, type VerifyContext, type VerifyJob } from "./verify-context.ts";
import { type Verified, verifyHistory } from "./verify-history.ts";
import { verifyObjects } from "./verify-objects.ts";

function listed(verified: readonly VerifiedEntity[]): string {
  const parts = verified.map(({ title, sourceRows, equal }) => `${title} (${equal} of ${sourceRows} rows equal)`);
  return parts.length === 0 ? "nothing" : parts.join(", ");
}

/** Compares all entities of a context, several at once. Throws VERIFY_STOPPED, with what was compared until then. */
async function compareAll(context: VerifyContext): Promise<readonly Verified[]> {
  const { work, job, lanes: all } = context;
  const compared = all.map((lanes) =>
    lanes.optimistic.entity.load === "merge"
      ? work.both(() => verifyObjects(context, lanes))
      : verifyHistory(context, lanes),
  );
  const settled = await Promise.allSettled(compared);
  if (work.failure !== undefined) throw work.failure;
  if (job.signal?.aborted === true) {
    const done = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value.entity] : []));
    throw problems.verifyStopped({ compared: listed(done), left: all.length - done.length });
  }
  return await Promise.all(compared);
}

async function compareLive(context: VerifyContext): Promise<Pick<VerifyReport, "live">> {
  const live = ofLiveDags(context);
  if (live === undefined) return {};
  const verified = await compareAll(live);
  return { live: { dags: live.resolved.dags ?? [], entities: verified.map((each) => each.entity) } };
}

interface Repaired {
  readonly verified: readonly Verified[];
  readonly repaired: readonly RepairedEntity[];
}

/** Repairs what differs and compares again what may have been changed by that: with deletions everything, because deleting takes children along. */
async function repairAndCompare(
  context: VerifyContext,
  verified: readonly Verified[],
  deletions: "keep" | "carry",
): Promise<Repaired> {
  const { job, snapshot } = context;
  const repaired = await repair(context, verified, deletions);
  const written = new Set(repaired.map((each) => each.entity));
  const isTakenAlong = repaired.some((each) => each.deleted > 0);
  const { kept: _kept, ...anew } = job;
  await using after = await openVerify(anew, snapshot);
  const lanes = after.lanes.filter(({ optimistic: { entity } }) => isTakenAlong || written.has(entity.id));
  // The same share of the rows as before.
  const sampled = context.sampled === undefined ? {} : { sampled: context.sampled };
  const again = new Map((await compareAll({ ...after, lanes, ...sampled })).map((each) => [each.entity.entity, each]));
  return { repaired, verified: verified.map((each) => again.get(each.entity.entity) ?? each) };
}

/**
 * Compares what the source holds now, translated as a copy translates it, with what the target holds: every row of the selection, down to row,
 * column and both values. Writes nothing on either side (translations that need codecs are put in a temporary table and rolled back), but for
 * a repair, where the job asks for one.
 *
 * This proves transport: nothing lost, doubled, cut or changed on the way or since. It does not prove that the translation itself is right,
 * because both sides of the comparison share it; that is what the tests against genuine Airflow are for. Rows that the source changed or got
 * since the copy are differences, too: verification does not know a copy's age.
 *
 * Throws VERIFY_NOTHING_COPIED, VERIFY_STOPPED and the problems of the connections.
 */
export async function verifyCopy(job: VerifyJob): Promise<VerifyReport> {
  const start = job.now().getTime();
  await using context = await openVerify(job);
  const first = await compareAll(context);
  const isToRepair = job.repair !== undefined && !isEqual({ entities: first.map((each) => each.entity) });
  const { verified, repaired } = isToRepair
    ? await repairAndCompare(context, first, job.repair.deletions)
    : { verified: first, repaired: undefined };
  const { sampled } = context;
  return {
    entities: verified.map((each) => each.entity),
    differences: verified.flatMap((each) => each.differences),
    leftOutRuns: context.resolved.leftOut.length,
    rows: verified.reduce((sum, each) => sum + each.entity.sourceRows, 0),
    ...(sampled === undefined ? {} : { sample: { buckets: sampled.length, of: BUCKETS } }),
    ...(await compareLive(context)),
    ...(repaired === undefined ? {} : { repaired }),
    ...(job.kept?.since === undefined ? {} : { resumedFrom: job.kept.since.toISOString() }),
    seconds: (job.now().getTime() - start) / 1000,
  };
}
