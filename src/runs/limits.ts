import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { Limits } from "../domain/config.ts";
import type { Throttle } from "../ports/durable.ts";
import { IS_ALIVE } from "./executors.ts";
import { openStateClient, type StateAddress } from "./state-client.ts";

/** The limits of one environment, by its identity: every run and worker of a state database shares them. */
interface LimitedEnvironment {
  readonly identity: string;
  readonly limits: Limits;
}

/** Limits of both environments as they are kept, whoever works. */
export interface HeldLimits extends Throttle, AsyncDisposable {
  /** True within the hours of both environments. */
  isOpen(): Promise<boolean>;
  /**
   * A place among the connections, within the hours; resolves when there is one in both environments, and with undefined when `signal` is aborted
   * before.
   */
  admit(executor: string, signal: AbortSignal): Promise<AsyncDisposable | undefined>;
}

const POLL_MS = 250;
const MEGABYTE = 1_000_000;
/** A share of the flow is asked for by so much at once: often enough to be even, seldom enough to cost nothing. */
const SHARE_SECONDS = 0.25;

/** Reserves time of the shared flow, and says for how long to wait for it. A flow that stood still saves nothing up. */
const RESERVE = `insert into crosswind_state.flow as f (environment, unit, free_at) values ($1, $2, now() + $3 * interval '1 second')
  on conflict (environment, unit) do update set free_at = greatest(f.free_at, now()) + $3 * interval '1 second'
  returning extract(epoch from free_at - now())::float8 as wait`;

const HOURS = /^(\d\d:\d\d)-(\d\d:\d\d)(?: (\S+))?$/;

/** By the state database's clock, so that all machines agree. An end before its beginning is on the next day. */
const IS_OPEN = `select case when $1::time <= $2::time then t >= $1::time and t < $2::time else t >= $1::time or t < $2::time end as open
  from (select (now() at time zone $3)::time as t) now`;

class Flow {
  readonly #client: Client;
  readonly #key: readonly [environment: string, unit: string];
  readonly #perSecond: number;
  #owed = 0;

  constructor(client: Client, key: readonly [string, string], perSecond: number) {
    this.#client = client;
    this.#key = key;
    this.#perSecond = perSecond;
  }

  async take(count: number): Promise<void> {
    this.#owed += count;
    if (this.#owed < this.#perSecond * SHARE_SECONDS) return;
    const seconds = this.#owed / this.#perSecond;
    this.#owed = 0;
    const { rows } = await this.#client.query<{ wait: number }>(RESERVE, [...this.#key, seconds]);
    await sleep((rows[0]?.wait ?? 0) * 1000);
  }
}

async function isOpen(client: Client, hours: string | undefined): Promise<boolean> {
  const [, from, to, zone = "UTC"] = HOURS.exec(hours ?? "") ?? [];
  if (from === undefined) return true;
  const { rows } = await client.query<{ open: boolean }>(IS_OPEN, [from, to, zone]);
  return rows[0]?.open === true;
}

/** A place that a dead executor holds is free. */
const FREE = `delete from crosswind_state.permit p using crosswind_state.executor e where p.environment = $1 and e.id = p.executor and not ${IS_ALIVE}`;

const TAKE = `insert into crosswind_state.permit (environment, place, executor)
  select $1, place, $2 from generate_series(1, $3::int) place
  where not exists (select 1 from crosswind_state.permit p where p.environment = $1 and p.place = place.place) order by place limit 1
  on conflict do nothing returning place`;

type Place = readonly [environment: string, place: number];

/** One of the connections of an environment, where it has a limit; undefined where all are taken. */
async function takePlace(
  client: Client,
  { identity, limits }: LimitedEnvironment,
  executor: string,
): Promise<readonly Place[] | undefined> {
  if (limits.connections === undefined) return [];
  await client.query(FREE, [identity]);
  const { rows } = await client.query<{ place: number }>(TAKE, [identity, executor, limits.connections]);
  return rows[0] === undefined ? undefined : [[identity, rows[0].place]];
}

async function giveBack(client: Client, places: readonly Place[]): Promise<void> {
  for (const place of places)
    await client.query("delete from crosswind_state.permit where environment = $1 and place = $2", [...place]);
}

/** A place in every environment, within the hours of each, or none. */
async function tryAdmit(
  client: Client,
  environments: readonly LimitedEnvironment[],
  executor: string,
): Promise<AsyncDisposable | undefined> {
  const places: Place[] = [];
  for (const environment of environments) {
    const isNow = await isOpen(client, environment.limits.hours);
    const taken = isNow ? await takePlace(client, environment, executor) : undefined;
    if (taken === undefined) {
      await giveBack(client, places);
      return undefined;
    }
    places.push(...taken);
  }
  // A connection that is lost is told by whoever works; the places of the dead are free.
  return { [Symbol.asyncDispose]: () => giveBack(client, places).catch(() => undefined) };
}

/** Opens what keeps the limits; undefined where there are none. Throws STATE_DATABASE_UNREACHABLE. */
export async function holdLimits(
  state: StateAddress,
  environments: readonly LimitedEnvironment[],
): Promise<HeldLimits | undefined> {
  const limited = environments.filter(({ limits }) => Object.keys(limits).length > 0);
  if (limited.length === 0) return undefined;
  const client = await openStateClient(state, "limits");
  const flows = (unit: "bytes" | "rows", perSecond: (limits: Limits) => number | undefined) =>
    limited.flatMap(({ identity, limits }) => {
      const rate = perSecond(limits);
      return rate === undefined ? [] : [new Flow(client, [identity, unit], rate)];
    });
  const bytes = flows("bytes", ({ megabytesPerSecond: rate }) => rate && rate * MEGABYTE);
  const rows = flows("rows", ({ rowsPerSecond }) => rowsPerSecond);
  return {
    bytes: async (count) => void (await Promise.all(bytes.map((flow) => flow.take(count)))),
    rows: async (count) => void (await Promise.all(rows.map((flow) => flow.take(count)))),
    isOpen: async () => {
      const open = await Promise.all(limited.map(({ limits }) => isOpen(client, limits.hours)));
      return open.every(Boolean);
    },
    admit: async (executor, signal) => {
      while (!signal.aborted) {
        const places = await tryAdmit(client, limited, executor);
        if (places !== undefined) return places;
        await sleep(POLL_MS);
      }
      return undefined;
    },
    [Symbol.asyncDispose]: () => client.end().catch(() => undefined),
  };
}
