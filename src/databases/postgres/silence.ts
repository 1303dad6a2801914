import type { Socket } from "node:net";
import { Client, type ClientConfig, type PoolClient } from "pg";

/** How often connections are looked at that wait for their server, in milliseconds: silent is one without a byte between two looks. */
const LOOK_MS = 10_000;
/** How long a server may take to answer a new connection, in milliseconds. A busy one needs seconds. */
const ANSWER_MS = 20_000;

/**
 * Of these backends, those that wait for their client: the answer that we wait for is lost, or what we sent.
 * Source: PostgreSQL manual, "The Statistics Collector", wait events of type Client.
 */
const WAIT_FOR_US = `select pid from pg_stat_activity
  where pid = any($1::int[]) and wait_event in ('ClientRead', 'ClientWrite')`;

/** Of a statement under way: true when it is the server's turn, false while rows for it are still to be brought. */
type IsServersTurn = () => boolean;

/** Of the driver's client what its types leave out. */
interface Inner {
  readonly processID?: number;
  readonly connection: { readonly stream: Socket };
}

interface Watched {
  readonly client: Inner;
  asked: IsServersTurn | undefined;
  bytes: number;
  /** How many times in a row its server was seen waiting for us. */
  crossed: number;
}

const NO_ANSWER: ReadonlySet<string> = new Set(["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN"]);

/** A refusal is an answer, too: only silence is none. */
function isNoAnswer(error: unknown): boolean {
  const { code = "", message = "" } = error as { readonly code?: string; readonly message?: string };
  return NO_ANSWER.has(code) || /timeout/i.test(message);
}

function bytesOf({ connection: { stream } }: Inner): number {
  return stream.bytesRead + stream.bytesWritten;
}

function isWaiting({ asked, client }: Watched): boolean {
  const { stream } = client.connection;
  if (asked === undefined || stream.isPaused()) return false;
  return asked() || stream.writableLength > 0;
}

/** Ends a connection as one that was lost: SQLSTATE 08006, connection_failure. */
function lose({ client }: Watched, message: string): void {
  client.connection.stream.destroy(Object.assign(new Error(message), { code: "08006" }));
}

/**
 * Ends connections that will never answer: a network that was cut, a firewall or proxy that forgot them. Without it a statement would wait for
 * ever, because a long one is silent, too. Whoever waits gets DATABASE_CONNECTION_LOST within a minute.
 *
 * Where a connection that waits is silent, a new one asks the server. No answer: all are lost. Else those are lost whose backend waits for us
 * while we wait for it, seen twice.
 */
export class SilenceWatch implements Disposable {
  readonly #probe: ClientConfig;
  readonly #watched = new Map<PoolClient, Watched>();
  readonly #timer: NodeJS.Timeout;
  #isAsking = false;

  constructor(probe: ClientConfig) {
    this.#probe = { ...probe, connectionTimeoutMillis: ANSWER_MS, query_timeout: ANSWER_MS };
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  add(client: PoolClient): void {
    // The driver's types leave out what is needed of it.
    const inner = client as unknown as Inner;
    this.#watched.set(client, { client: inner, asked: undefined, bytes: -1, crossed: 0 });
  }

  remove(client: PoolClient): void {
    this.#watched.delete(client);
  }

  /** A statement began. */
  begin(client: PoolClient, asked: IsServersTurn = () => true): void {
    const watched = this.#watched.get(client);
    if (watched !== undefined) Object.assign(watched, { asked, bytes: -1, crossed: 0 });
  }

  /** It has ended. */
  end(client: PoolClient): void {
    const watched = this.#watched.get(client);
    if (watched !== undefined) watched.asked = undefined;
  }

  /** Cuts what is still open, without a word to the server. */
  cut(): void {
    for (const { client } of this.#watched.values()) client.connection.stream.destroy();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#isAsking) return;
    const silent = [...this.#watched.values()].filter((each) => {
      const before = each.bytes;
      each.bytes = isWaiting(each) ? bytesOf(each.client) : -1;
      if (each.bytes !== before) each.crossed = 0;
      return each.bytes !== -1 && each.bytes === before;
    });
    if (silent.length === 0) return;
    this.#isAsking = true;
    const waitForUs = await this.#ask(silent.flatMap(({ client }) => client.processID ?? []));
    this.#isAsking = false;
    if (waitForUs === undefined) {
      const message = `the server has not answered for ${(LOOK_MS + ANSWER_MS) / 1000} s`;
      for (const each of this.#watched.values()) lose(each, message);
      return;
    }
    for (const each of silent) {
      const isCrossed = waitForUs.has(each.client.processID ?? 0) && each.bytes === bytesOf(each.client);
      each.crossed = isCrossed && isWaiting(each) ? each.crossed + 1 : 0;
      if (each.crossed === 2) lose(each, "nothing comes through it any more, although the server answers");
    }
  }

  /** Backends that wait for us; undefined where the server does not answer. */
  async #ask(pids: readonly number[]): Promise<ReadonlySet<number> | undefined> {
    const client = new Client(this.#probe);
    client.on("error", () => {});
    try {
      await client.connect();
      const { rows } = await client.query<{ pid: number }>(WAIT_FOR_US, [[...pids]]);
      return new Set(rows.map(({ pid }) => pid));
    } catch (error) {
      return isNoAnswer(error) ? undefined : new Set();
    } finally {
      // Not waited for: it may be one that never ends.
      client.end().catch(() => {});
    }
  }
}
