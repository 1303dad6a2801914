import pLimit from "p-limit";
import type { Instant, RunReading } from "../../ports/control.ts";
import type { DagSwitch } from "./switch-state.ts";
import type { Switchboard, SwitchSide } from "./switchboard.ts";

/** Newest runs looked through for one that the scheduler made by its schedule. */
const MOST_RUNS = 50;
const AUTOMATED = ["scheduled", "backfill"];

/** The date of the newest run by schedule: with it as the end, that run still does its tasks, and no later one is made. */
async function newestDate({ from, signal }: Switchboard, dagId: string): Promise<Instant | undefined> {
  const runs = await from.control.readRuns({ dagId, limit: MOST_RUNS }, signal);
  return runs
    .filter(({ runType }: RunReading) => AUTOMATED.includes(runType))
    .flatMap(({ logicalDate }) => logicalDate ?? [])
    .toSorted()
    .at(-1);
}

/** Writes of one list, in order: each takes all that the ledger has. */
const inOrder = pLimit(1);

/** Makes the list on a side what the ledger says, and has the DAG parsed with it. */
async function writeList(board: Switchboard, { name, control }: SwitchSide, dagId: string): Promise<void> {
  await inOrder(async () => {
    const held = (await board.ledger.readAll()).flatMap(({ dagId: id, endDate }) =>
      endDate?.side === name ? [[id, endDate.at] as const] : [],
    );
    await board.lease.assertHeld();
    await control.writeEndDates(Object.fromEntries(held), board.signal);
  });
  if (control.can.requestParse) await control.requestParse(dagId, board.signal);
}

/**
 * Ends the DAG, on the side that it leaves, with its newest run, by the drain policy there; a run that slipped in before the next parse moves the end
 * on. A DAG without such a run has nothing to end.
 */
export async function holdEndDate(board: Switchboard, kept: DagSwitch): Promise<DagSwitch> {
  const at = await newestDate(board, kept.dagId);
  const { name } = board.from;
  if (at === undefined || (kept.endDate?.side === name && kept.endDate.at >= at)) return kept;
  const held: DagSwitch = { ...kept, endDate: { side: name, at } };
  const what = `its last run on the ${name} is to be that of ${at}`;
  await board.ledger.write(held, what);
  board.onEvent({ dagId: kept.dagId, state: kept.state, what });
  await writeList(board, board.from, kept.dagId);
  return held;
}

/** Takes the end away where the DAG is to run again, so that the next parse there does not see it any more. */
export async function liftEndDate(board: Switchboard, kept: DagSwitch, side: SwitchSide): Promise<DagSwitch> {
  if (kept.endDate?.side !== side.name) return kept;
  const { endDate: _, ...lifted } = kept;
  await board.ledger.write(lifted, `its end date on the ${side.name} is taken away`);
  await writeList(board, side, kept.dagId);
  return lifted;
}
