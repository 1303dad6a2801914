import type { Config } from "../domain/config.ts";
import type { Finding } from "../domain/finding.ts";
import { readRecord } from "../engine/cutover/cutover-ledger.ts";
import { type DagContinuity, readContinuity } from "../engine/cutover/read-continuity.ts";
import { readWaveFacts, type WaveFacts } from "../engine/cutover/read-wave-facts.ts";
import type { OpenTie, Tie } from "../engine/cutover/ties.ts";
import { planWaves, type Wave } from "../engine/cutover/waves.ts";
import { checkWaves } from "../engine/cutover/waves-file.ts";
import { assertLanded } from "../engine/land/land.ts";
import { probeBoth } from "../engine/plan/make-plan.ts";
import { probeSide } from "../engine/probe/probe-side.ts";
import { isSelected } from "../engine/select/match.ts";
import { openSides } from "./sides.ts";

interface Opened {
  readonly now: Date;
  /** The folder of `.crosswind/`. */
  readonly homeDir: string;
  readonly signal: AbortSignal;
}

/** Waves of the selected DAGs, and what they can not keep together. */
export interface PlannedWaves {
  readonly waves: readonly Wave[];
  /** Ties of a selected DAG to one that is not selected. */
  readonly crossing: readonly Tie[];
  /** Ties of selected DAGs that are worked out when a task runs. */
  readonly open: readonly OpenTie[];
}

/** Failures of so many days say how likely a DAG fails. */
const RISK_DAYS = 30;

/** Reads the source's ties and risks, of selected DAGs alone. */
async function readFacts(config: Config, options: Opened): Promise<WaveFacts> {
  await using sides = await openSides(config, options);
  assertLanded(sides.findings);
  const { side } = await probeSide(sides.source, { name: "source", entities: [], keys: undefined });
  await using session = await sides.source.session();
  const now = options.now.getTime() * 1000;
  const facts = await readWaveFacts(session, { release: side.release, now, days: RISK_DAYS });
  return { ...facts, dags: facts.dags.filter(({ dagId }) => isSelected(dagId, config.select.dags)) };
}

/** Proposes waves for the selected DAGs of the source; writes nothing to either side. */
export async function proposeWaves(
  config: Config,
  options: Opened & { /** DAGs of a wave at most. */ readonly size: number },
): Promise<PlannedWaves> {
  const { dags, ties, open } = await readFacts(config, options);
  const known = new Set(dags.map(({ dagId }) => dagId));
  return {
    waves: planWaves({ dags, ties, size: options.size }),
    crossing: ties.filter(({ from, to }) => known.has(from) !== known.has(to)),
    open: open.filter(({ dagId }) => known.has(dagId)),
  };
}

/** Checks edited waves against the source. */
export async function checkProposedWaves(
  config: Config,
  waves: readonly Wave[],
  options: Opened,
): Promise<readonly Finding[]> {
  const { dags, ties } = await readFacts(config, options);
  return checkWaves(waves, { dagIds: dags.map(({ dagId }) => dagId), ties });
}

export interface ContinuityOptions extends Opened {
  /** Patterns of DAGs. Default: the selected ones. */
  readonly dags?: readonly string[];
  /** Ticks before this are not looked at. */
  readonly since: Date;
}

/** Checks that every tick ran once across both sides; writes nothing to either. */
export async function checkContinuityOf(config: Config, options: ContinuityOptions): Promise<readonly DagContinuity[]> {
  await using sides = await openSides(config, options);
  assertLanded(sides.findings);
  const probed = await probeBoth(sides);
  await using source = await sides.source.session();
  await using target = await sides.target.session();
  const patterns = options.dags ?? config.select.dags;
  const input = {
    source: { session: source, release: probed.source.side.release },
    target: { session: target, release: probed.target.side.release },
    events: await readRecord(target, probed.source.facts.identity),
    since: options.since.getTime() * 1000,
    now: options.now.getTime() * 1000,
    isWanted: (dagId: string) => isSelected(dagId, patterns),
  };
  const found: DagContinuity[] = [];
  for await (const dag of readContinuity(input)) {
    options.signal.throwIfAborted();
    found.push(dag);
  }
  return found;
}
