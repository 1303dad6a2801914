import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";
import { Transform, type TransformCallback } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * What a network does to connections.
 *
 * - `reset`: each ends with a RST, as by a firewall that forgot it
 * - `drop`: each ends with a FIN, as by a proxy that shuts down
 * - `stall`: nothing comes through any more, new ones included, and nobody is told
 * - `stall-open`: as `stall`, but new connections are served: a proxy lost the state of the old ones
 */
export type Disturbance = "reset" | "drop" | "stall" | "stall-open";

/** A TCP proxy in this process, in front of one server. */
export interface TcpProxy extends AsyncDisposable {
  /** The URL with this proxy in place of its server. */
  through(url: string): string;
  /** Hurts every connection that is open. Gives how many there were. */
  disturb(how: Disturbance): number;
  /** Lets everything through again that was stalled. */
  heal(): void;
}

/** A long way, for each connection and direction. */
export interface Way {
  readonly delayMs: number;
  readonly bytesPerSecond: number;
}

/** Lets bytes through no faster than the way is wide, and each of them so much later. */
class LongWay extends Transform {
  readonly #way: Way;
  #freeAt = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(way: Way) {
    super({ highWaterMark: 64 * 1024 });
    this.#way = way;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    const now = performance.now();
    this.#freeAt = Math.max(this.#freeAt, now) + (chunk.length / this.#way.bytesPerSecond) * 1000;
    const arrived = sleep(this.#freeAt - now + this.#way.delayMs);
    // Timers of about the same time may ring in any order; bytes may not.
    this.#last = Promise.all([this.#last, arrived]).then(() => this.destroyed || this.push(chunk));
    // The next bytes may enter when these have left the narrow part, not when they have arrived.
    setTimeout(callback, this.#freeAt - now);
  }

  override _flush(callback: TransformCallback): void {
    void this.#last.then(() => callback());
  }
}

interface PairOptions {
  readonly onEnd: () => void;
  readonly way: Way | undefined;
}

class Pair {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #way: Way | undefined;

  constructor(client: Socket, server: Socket, { onEnd, way }: PairOptions) {
    this.#client = client;
    this.#server = server;
    this.#way = way;
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.setNoDelay(true);
      one.on("error", () => other.destroy()).on("close", () => other.destroy());
    }
    client.once("close", onEnd);
    this.flow();
  }

  flow(): void {
    if (this.#way === undefined) {
      this.#client.pipe(this.#server);
      this.#server.pipe(this.#client);
      return;
    }
    this.#client.pipe(new LongWay(this.#way)).pipe(this.#server);
    this.#server.pipe(new LongWay(this.#way)).pipe(this.#client);
  }

  stall(): void {
    for (const socket of [this.#client, this.#server]) socket.unpipe().pause();
  }

  reset(): void {
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  drop(): void {
    this.#client.destroy();
    this.#server.destroy();
  }
}

/** Starts one in front of the server of a URL, by default as near as it is; closed with every connection through it at the end of the scope. */
export async function tcpProxy(server: string, way?: Way): Promise<TcpProxy> {
  const { hostname, port } = new URL(server);
  const pairs = new Set<Pair>();
  let isStalled = false;
  const listener = createServer({ pauseOnConnect: true }, (client) => {
    const pair: Pair = new Pair(client, dial(Number(port), hostname), { onEnd: () => pairs.delete(pair), way });
    pairs.add(pair);
    if (isStalled) pair.stall();
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address() as { readonly port: number };
  return {
    through: (url) => Object.assign(new URL(url), { hostname: "127.0.0.1", port: String(address.port) }).href,
    disturb: (how) => {
      const hurt = [...pairs];
      isStalled = how === "stall";
      const act = { reset: "reset", drop: "drop", stall: "stall", "stall-open": "stall" } as const;
      for (const pair of hurt) pair[act[how]]();
      return hurt.length;
    },
    heal: () => {
      isStalled = false;
      for (const pair of pairs) pair.flow();
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(listener, "close");
      listener.close();
      for (const pair of pairs) pair.reset();
      await closed;
    },
  };
}
