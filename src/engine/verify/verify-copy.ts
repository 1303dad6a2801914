import type { VerifyReport } from "./report.ts";
import { openVerify, throwIfStopped, type VerifyJob } from "./verify-context.ts";
import { type Verified, verifyHistory } from "./verify-history.ts";
import { verifyObjects } from "./verify-objects.ts";

/**
 * Compares what the source holds now, translated as a copy translates it, with what the target holds: every row of the selection, down to row,
 * column and both values. Writes nothing on either side (translations that need codecs are put in a temporary table and rolled back).
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
  const verified: Verified[] = [];
  for (const lanes of context.lanes) {
    throwIfStopped(job, lanes.optimistic.entity);
    const verify = lanes.optimistic.entity.load === "merge" ? verifyObjects : verifyHistory;
    verified.push(await verify(context, lanes));
  }
  return {
    entities: verified.map((each) => each.entity),
    differences: verified.flatMap((each) => each.differences),
    leftOutRuns: context.resolved.leftOut.length,
    rows: verified.reduce((sum, each) => sum + each.entity.sourceRows, 0),
    seconds: (job.now().getTime() - start) / 1000,
  };
}
