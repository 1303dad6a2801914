import type { Selection } from "../../domain/selection.ts";
import type { Session } from "../../ports/database.ts";
import * as ledger from "../copy/ledger.ts";
import { type IdRule } from "../copy/ledger-ids.ts";
import type { Mark } from "../copy/snapshot.ts";
import type { ResolvedSelection } from "../select/filters.ts";
import { identifier, type Translation } from "../translate/translate.ts";
import * as problems from "./problems.ts";

/** What a delta starts from: the newest run that ended, with its mark and what it left out. */
export interface Base {
  readonly run: string;
  /** When it began, ISO 8601. */
  readonly at: string;
  readonly mark: Mark;
  readonly filenodes: Readonly<Record<string, string>>;
  /** By source table: how many rows its statistics said were ever deleted, when the base began. Empty where it is not known. */
  readonly deleted: Readonly<Record<string, string>>;
  readonly selection: ResolvedSelection;
  readonly planned: Selection;
  /** Entities of which any run brought rows of this source. */
  readonly begun: ReadonlySet<string>;
}

/** Columns that came later are read so that a ledger of before has them, too: it is not changed by looking. */
const NEWEST = `select id::text as run, started_at as at, finished_at is not null as done, mark_xid::text as xid, mark, filenodes, selection, planned,
    to_jsonb(r) ->> 'timeline' as timeline, to_jsonb(r) -> 'deleted' as deleted
  from crosswind.run r where source = $1 order by finished_at is null, started_at desc limit 1`;

interface BaseRow extends Record<string, unknown> {
  readonly run: string;
  readonly at: Date;
  readonly done: boolean;
  readonly xid: string;
  readonly mark: string;
  readonly timeline: string | null;
  readonly filenodes: Readonly<Record<string, string>>;
  readonly deleted: Readonly<Record<string, string>> | null;
  readonly selection: Omit<ResolvedSelection, "leftOut">;
  readonly planned: Selection;
}

async function throwMissing(target: Session, { identity, label }: Where): Promise<never> {
  const [other] = (await ledger.hasLedger(target))
    ? await target.query<{ source: string }>("select source from crosswind.run order by started_at desc limit 1")
    : [];
  throw other === undefined
    ? problems.nothingToSync({ target: label })
    : problems.otherSource({ known: other.source, now: identity });
}

interface Where {
  /** The source's, as the ledger knows it. */
  readonly identity: string;
  /** The target's, for messages. */
  readonly label: string;
}

/** Reads it. Throws SYNC_NOTHING_COPIED, SYNC_OTHER_SOURCE, SYNC_COPY_UNFINISHED. */
export async function readBase(target: Session, where: Where): Promise<Base> {
  const [row] = (await ledger.hasLedger(target)) ? await target.query<BaseRow>(NEWEST, [where.identity]) : [];
  if (row === undefined) return await throwMissing(target, where);
  const { run, at, xid, mark, timeline, filenodes, planned } = row;
  if (!row.done) throw problems.copyUnfinished({ run, started: at.toISOString() });
  const begun = await target.query<{ entity: string }>(
    "select distinct c.entity from crosswind.chunk c join crosswind.run r on r.id = c.run where r.source = $1",
    [where.identity],
  );
  return {
    run,
    at: at.toISOString(),
    mark: { xid, snapshot: mark, ...(timeline === null ? {} : { timeline }) },
    filenodes,
    deleted: row.deleted ?? {},
    selection: { ...row.selection, leftOut: await ledger.readLeftOut(target, run) },
    planned,
    begun: new Set(begun.map(({ entity }) => entity)),
  };
}

/** Two transactions that are further apart can not be told older from newer (32-bit ids, compared around a circle). */
const MOST_TRANSACTIONS = 2 ** 31 - 1_000_000;

/** Of a snapshot as text (`xmin:xmax:...`), its oldest transaction with all of its 64 bits. */
function oldest({ snapshot }: Mark): bigint {
  return BigInt(snapshot.split(":")[0] ?? "0");
}

/** Throws SYNC_OTHER_TIMELINE, SYNC_MARK_TOO_OLD where changes since the base's mark can not be told. */
export function assertMarkHolds({ mark }: Pick<Base, "mark">, now: Mark): void {
  if (mark.timeline !== undefined && now.timeline !== undefined && mark.timeline !== now.timeline)
    throw problems.otherTimeline({ before: mark.timeline, now: now.timeline });
  const transactions = Number(oldest(now) - oldest(mark));
  if (transactions > MOST_TRANSACTIONS) throw problems.markTooOld({ transactions });
}

/** Ids beyond what was kept free for the source would be the target's own. Throws SYNC_IDS_USED_UP. */
export async function assertRoom(
  source: Session,
  translations: readonly Translation[],
  rules: readonly IdRule[],
): Promise<void> {
  for (const { entity, canonical } of translations) {
    const rule = rules.find((each) => each.entity === entity.id);
    if (rule === undefined || entity.serial === undefined) continue;
    const [row] = await source.query<{ high: string | null }>(
      `select max(c.${identifier(entity.serial.field)})::text as high from (${canonical()}) c`,
    );
    const highest = Number(row?.high ?? 0) + rule.offset;
    if (highest > rule.high) throw problems.idsUsedUp({ entity: entity.title, highest, kept: rule.high });
  }
}
