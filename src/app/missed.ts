import type { Config } from "../domain/config.ts";
import { CutoverLedger, readRecord, readSwitches } from "../engine/cutover/cutover-ledger.ts";
import { type AddedRun, addMissed, type DagMissed, readMissed } from "../engine/cutover/read-missed.ts";
import { assertLanded } from "../engine/land/land.ts";
import { probeBoth } from "../engine/plan/make-plan.ts";
import { isSelected } from "../engine/select/match.ts";
import { openControl } from "./control.ts";
import { openSides } from "./sides.ts";
import type { ContinuityOptions } from "./waves.ts";

/** What DAGs have missed at their switches, and what of it was added. */
export interface MissedReport {
  readonly missed: readonly DagMissed[];
  /** Empty where nothing was to be added. */
  readonly added: readonly AddedRun[];
}

export interface MissedOptions extends ContinuityOptions {
  /** For the record: who adds them; undefined: they are only looked for. */
  readonly addedBy?: string;
}

/** Looks for runs that were missed at a switch, and adds them where somebody says so. Throws CONTROL_*. */
export async function missedAtSwitches(config: Config, options: MissedOptions): Promise<MissedReport> {
  await using resources = new AsyncDisposableStack();
  const { signal, addedBy } = options;
  const sides = resources.use(await openSides(config, options));
  assertLanded(sides.findings);
  const probed = await probeBoth(sides);
  const { identity } = probed.source.facts;
  const open = async (name: "source" | "target") => ({
    session: resources.use(await sides[name].session()),
    release: probed[name].side.release,
    control: resources.use(await openControl(config, name, signal)),
  });
  const [source, target] = [await open("source"), await open("target")];
  const patterns = options.dags ?? config.select.dags;
  const missed = await readMissed({
    source,
    target,
    switches: await readSwitches(target.session, identity),
    record: await readRecord(target.session, identity),
    since: options.since.getTime() * 1000,
    now: options.now.getTime() * 1000,
    isWanted: (dagId) => isSelected(dagId, patterns),
    signal,
  });
  if (addedBy === undefined || missed.length === 0) return { missed, added: [] };
  const ledger = await CutoverLedger.open(sides.target, { source: identity, who: addedBy });
  const controls = { source: source.control, target: target.control };
  return { missed, added: await addMissed(missed, { controls, ledger, signal }) };
}
