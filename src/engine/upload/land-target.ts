import type { Finding } from "../../domain/finding.ts";
import type { EventSink } from "../../domain/run-event.ts";
import type { Database } from "../../ports/database.ts";
import type { KeptLedger, RawTarget, TargetTable, UploadLedger } from "../../ports/raw-target.ts";
import { type Landed, land } from "../land/land.ts";
import { schemasNear } from "../land/landed-shape.ts";
import { fitTypes } from "./fit-types.ts";
import { restoreLedger } from "./ledger-copy.ts";
import { StagingLedger } from "./staging-ledger.ts";
import { addStructure } from "./structure.ts";

export interface LandTargetJob {
  readonly target: RawTarget;
  /** A database of the target's own. */
  readonly staging: Database;
  readonly onEvent: EventSink;
  readonly signal?: AbortSignal;
  /** Tables whose rows are landed; the others stay empty. Default: all. */
  readonly takesRows?: (table: string) => boolean;
}

export interface LandedTarget extends Landed {
  readonly tables: readonly TargetTable[];
}

/** Where the target's ledger is kept: in its own server, or in staging (`home`) where that may not be. */
export async function ledgerOf(
  target: RawTarget,
  home: Database,
  options: { readonly make?: boolean } = {},
): Promise<UploadLedger> {
  return (await target.ledger(options)) ?? new StagingLedger(home);
}

/** What is said of a source, said of a target. */
function ofTarget(finding: Finding): Finding {
  const said = (text: string) => text.replaceAll("the source", "the target");
  return { ...finding, what: said(finding.what), next: finding.next.map(said) };
}

/**
 * Lands a target as it is now, with the types and keys that it has, and its ledger as it was kept: everything that looks at a target on Postgres
 * can look at it. Throws what landing throws.
 */
export async function landTarget(job: LandTargetJob, kept: KeptLedger | undefined): Promise<LandedTarget> {
  const tables = await job.target.tables();
  const { target, staging, onEvent, signal, takesRows } = job;
  const landed = await land({
    source: target,
    staging,
    onEvent,
    side: "target",
    fit: fitTypes(tables),
    ...(signal === undefined ? {} : { signal }),
    ...(takesRows === undefined ? {} : { takesRows }),
  });
  const [schema] = await schemasNear(landed.release);
  await using session = await staging.session();
  await session.transaction(async () => {
    if (schema !== undefined) await addStructure(session, tables, schema);
  });
  await restoreLedger(session, kept);
  return { ...landed, tables, findings: landed.findings.map(ofTarget) };
}
