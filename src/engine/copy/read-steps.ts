import type { RunEvent } from "../../domain/run-event.ts";
import type { Database } from "../../ports/database.ts";
import { hasLedger } from "./ledger.ts";

interface Step {
  readonly entity: string;
  readonly chunk: string;
  readonly rows: string;
  readonly bytes: string;
}

/** What the ledger says of a run, as the events that its processes had: each call gives those that have come since the one before. */
export function readSteps(target: Database, run: string): () => Promise<readonly RunEvent[]> {
  const seen = new Set<string>();
  const isNew = (key: string) => !seen.has(key) && seen.add(key) !== undefined;
  return async () => {
    await using session = await target.session();
    if (!(await hasLedger(session))) return [];
    const chunks = await session.query<Step & Record<string, unknown>>(
      "select entity, chunk, rows, bytes from crosswind.chunk where run = $1 and chunk not like 'changed since %' order by at",
      [run],
    );
    const restored = await session.query<{ name: string }>(
      "select name from crosswind.taken_off where run = $1 and restored_at is not null order by restored_at",
      [run],
    );
    return [
      ...chunks
        .filter(({ entity, chunk }) => isNew(`chunk ${entity} ${chunk}`))
        .map(({ entity, chunk, rows, bytes }): RunEvent => {
          return { kind: "chunk", entity, chunk, rows: Number(rows), bytes: Number(bytes), isNew: true };
        }),
      ...restored
        .filter(({ name }) => isNew(`restored ${name}`))
        .map(({ name }): RunEvent => ({ kind: "restored", name })),
    ];
  };
}
