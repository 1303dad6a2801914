import type { CopySummary } from "../engine/copy/apply.ts";
import type { CopyJob } from "../engine/copy/copy-context.ts";
import { type Mirror, readCopied, writeCopied } from "../engine/upload/mirror.ts";
import { defineUpload } from "../engine/upload/upload-run.ts";
import type { Ended, OpenedRun } from "../runs/dbos-runs.ts";
import { type Copy, carryCopy, carryDefinition, type Participation } from "./carry.ts";
import type { WritingTarget } from "./sides.ts";

interface Upload extends Copy {
  readonly participation: Participation;
  readonly opened: OpenedRun;
  readonly mirror: Mirror;
  readonly writing: WritingTarget;
  /** Of the target. */
  readonly release: string;
}

/** Copies into the mirror of a target that is no Postgres, where that is not done yet, and writes what is in it to the target. */
export async function carryAndUpload(
  job: CopyJob,
  { participation, mirror, writing, release, ...copy }: Upload,
): Promise<Ended<CopySummary>> {
  const before = await readCopied(job.target);
  const copied: Ended<CopySummary> =
    before === undefined
      ? await carryCopy(job, participation, copy)
      : { state: "done", result: JSON.parse(before) as CopySummary, wasDone: true };
  if (copied.state !== "done") return copied;
  const summary = JSON.stringify(copied.result);
  await writeCopied(job.target, summary);
  const upload = defineUpload({
    run: job.run,
    target: writing.target,
    mirror: job.target,
    mirrorId: mirror.id,
    release,
    ledger: writing.ledger,
    summary,
    onEvent: participation.onEvent,
  });
  // One durable run at a time in a process.
  await copy.opened[Symbol.asyncDispose]();
  const uploaded = await carryDefinition(upload, { ...participation, run: `${participation.run} upload` });
  return uploaded.state === "done" ? { ...copied, wasDone: uploaded.wasDone } : uploaded;
}
