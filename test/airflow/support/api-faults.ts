import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What becomes of a call: how often in a row, and whether the server gets it all the same. */
export interface Fault {
  /** A status that the caller gets; `hang`: no answer; `reset`: the connection is cut. */
  readonly answer: number | "hang" | "reset";
  /** Default: every time. */
  readonly times?: number;
  /** The server does what was asked, and the caller does not learn it. Default false. */
  readonly isDone?: boolean;
}

/** A proxy in front of an Airflow's API that lets everything through but changes of one DAG, for as long as there is a fault. */
export interface FaultyApi extends AsyncDisposable {
  readonly url: string;
  /** Calls that met the fault since it was set. */
  readonly met: () => number;
  readonly set: (dagId: string, fault: Fault | undefined) => void;
}

/** Opens it in front of `http://127.0.0.1:8080`, for one. */
export async function faultyApi(upstream: string): Promise<FaultyApi> {
  let broken: { readonly dagId: string; readonly fault: Fault } | undefined;
  let met = 0;
  const server = createServer((asked, answer) => {
    const isMeant = asked.method === "PATCH" && new RegExp(`/dags/${broken?.dagId}\\?`).test(asked.url ?? "");
    if (broken === undefined || !isMeant || met >= (broken.fault.times ?? Number.POSITIVE_INFINITY)) {
      forward(upstream, asked, answer);
      return;
    }
    met += 1;
    const { answer: what, isDone } = broken.fault;
    const fail = () => failWith(what, answer);
    if (isDone === true) forward(upstream, asked, undefined, fail);
    else fail();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    met: () => met,
    set: (dagId, fault) => {
      met = 0;
      broken = fault === undefined ? undefined : { dagId, fault };
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function forward(upstream: string, asked: IncomingMessage, answer: ServerResponse | undefined, done = () => {}): void {
  const { method, headers, url = "/" } = asked;
  const call = request(new URL(url, upstream), { method, headers }, (got) => {
    if (answer === undefined) {
      got.resume().on("end", done);
      return;
    }
    answer.writeHead(got.statusCode ?? 502, got.headers);
    got.pipe(answer);
  });
  call.on("error", () => answer?.destroy());
  asked.pipe(call);
}

function failWith(what: Fault["answer"], answer: ServerResponse): void {
  if (what === "hang") return;
  if (what === "reset") {
    answer.destroy();
    return;
  }
  answer.writeHead(what, { "content-type": "application/json", ...(what === 429 ? { "retry-after": "1" } : {}) });
  answer.end(JSON.stringify({ detail: "made by the test" }));
}
