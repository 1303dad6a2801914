import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { Secret } from "../../domain/secret.ts";
import { type Call, Http } from "./http.ts";
import { loginWith, nobody } from "./login.ts";

const CANARY = "canary-3Fh8";
const shape = z.object({ name: z.string() });
const read: Call<{ name: string }> = { method: "get", path: ["api", "v1", "thing"], shape };

/** A server that answers as told; `seen` are the requests it got. */
async function aServer(answer: RequestListener): Promise<{ readonly url: string; readonly seen: readonly string[] }> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? ""}`.trim());
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Answers one reply after another, the last one again and again. */
function replies(...list: readonly Reply[]): RequestListener {
  let next = 0;
  return (_, response) => {
    const { status = 200, headers = {}, body = { name: "x" } } = list[Math.min(next, list.length - 1)] ?? {};
    next++;
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
}

function httpTo(url: string, deadlineMs = 5000): Http {
  const options = { url, where: "source (test)", deadlineMs };
  const credentials = { username: "me", password: new Secret(CANARY) };
  return new Http(options, loginWith(credentials, undefined, options));
}

const signal = (): AbortSignal => new AbortController().signal;

async function problemOf(calling: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> {
  const error: unknown = await calling.then(
    () => undefined,
    (each: unknown) => each,
  );
  const shown = inspect(error, { depth: 20, showHidden: true });
  expect(shown).not.toContain(CANARY);
  expect(shown).not.toContain(Buffer.from(`me:${CANARY}`).toString("base64"));
  expect(error).toHaveProperty("report");
  return error as { code: string; message: string };
}

test("reads an answer that has the shape, and the server's clock", async () => {
  const { url } = await aServer(replies({}));

  const answer = await httpTo(url).call(read, signal());

  expect(answer.value).toEqual({ name: "x" });
  expect(answer.date).toMatch(/GMT$/);
});

test("encodes what is in a path and a query", async () => {
  const { url, seen } = await aServer(replies({}));
  const path = ["dags", "a/b ?#", "runs"];

  await httpTo(url).call({ ...read, path, query: { state: ["a&b", "c"] } }, signal());

  expect(seen[0]).toMatch(/^GET \/dags\/a%2Fb%20%3F%23\/runs\?state=a%26b&state=c Basic /);
});

test("waits as long as a 429 says, then goes on", async () => {
  const { url, seen } = await aServer(replies({ status: 429, headers: { "retry-after": "1" } }, {}));
  const start = performance.now();

  await httpTo(url).call(read, signal());

  expect(performance.now() - start).toBeGreaterThan(950);
  expect(seen).toHaveLength(2);
});

test("repeats a read that met a failing server, and says how it failed when it keeps failing", async () => {
  const { url, seen } = await aServer(replies({ status: 503, body: { detail: "starting" } }));

  const problem = await problemOf(httpTo(url).call(read, signal()));

  expect(problem.code).toBe("CONTROL_SERVER_FAILED");
  expect(problem.message).toContain("GET /api/v1/thing with 503: starting");
  expect(seen).toHaveLength(4);
});

test("sends a write once", async () => {
  const { url, seen } = await aServer(replies({ status: 500, body: "" }));

  const problem = await problemOf(httpTo(url).call({ method: "patch", path: ["x"], body: {} }, signal()));

  expect(problem.code).toBe("CONTROL_SERVER_FAILED");
  expect(seen).toHaveLength(1);
});

test("sends a write again that was turned away for there being too many, and no other", async () => {
  const { url, seen } = await aServer(
    replies({ status: 429, headers: { "retry-after": "0" } }, { status: 500, body: "" }, { body: "{}" }),
  );

  const problem = await problemOf(httpTo(url).call({ method: "patch", path: ["x"], body: {} }, signal()));

  expect(problem.code).toBe("CONTROL_SERVER_FAILED");
  expect(seen).toHaveLength(2);
});

test("a status that says that it is done already is no failure", async () => {
  const { url } = await aServer(replies({ status: 409 }));

  await httpTo(url).call({ method: "put", path: ["x"], isDoneAt: 409 }, signal());
  const problem = await problemOf(httpTo(url).call({ method: "put", path: ["x"] }, signal()));

  expect(problem.code).toBe("CONTROL_REFUSED");
});

test("a server that hangs is a problem when the deadline is over", async () => {
  const { url } = await aServer(() => {});

  const problem = await problemOf(httpTo(url, 300).call(read, signal()));

  expect(problem.code).toBe("CONTROL_DEADLINE");
});

test("a server that hangs in the middle of its answer is a problem, too", async () => {
  const { url } = await aServer((_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write('{"name":');
  });

  expect((await problemOf(httpTo(url, 300).call(read, signal()))).code).toBe("CONTROL_DEADLINE");
});

test("the deadline ends the repeating as well", async () => {
  const { url } = await aServer(replies({ status: 429, headers: { "retry-after": "4" } }));
  const start = performance.now();

  const problem = await problemOf(httpTo(url, 300).call(read, signal()));

  expect(problem.code).toBe("CONTROL_DEADLINE");
  expect(performance.now() - start).toBeLessThan(2000);
});

test("an aborted call throws the caller's own reason", async () => {
  const { url } = await aServer(() => {});
  const controller = new AbortController();
  const reason = new Error("stopped");

  const calling = httpTo(url).call(read, controller.signal);
  setTimeout(() => controller.abort(reason), 50);

  await expect(calling).rejects.toBe(reason);
});

test.for([
  [{ status: 401 }, "CONTROL_UNAUTHORISED"],
  [{ status: 403 }, "CONTROL_FORBIDDEN"],
  [{ status: 404 }, "CONTROL_NOT_FOUND"],
  [{ status: 409, body: { detail: "there already" } }, "CONTROL_REFUSED"],
  [{ status: 302, headers: { location: `/login?next=${CANARY}` } }, "CONTROL_REDIRECTED"],
  [{ headers: { "content-type": "text/html" }, body: "<p>" }, "CONTROL_ANSWER_UNEXPECTED"],
  [{ body: "{" }, "CONTROL_ANSWER_UNEXPECTED"],
  [{ body: { name: 5 } }, "CONTROL_ANSWER_UNEXPECTED"],
  [{ status: 422, body: { detail: [{ input: CANARY }] } }, "CONTROL_REFUSED"],
] as const)("%j is %s", async ([reply, code]) => {
  const { url } = await aServer(replies(reply));

  const problem = await problemOf(httpTo(url).call(read, signal()));

  expect(problem.code).toBe(code);
  expect(problem.message).toContain(code === "CONTROL_FORBIDDEN" ? "GET" : "/api/v1/thing");
});

test.for([
  ["a port that nobody listens at", "http://127.0.0.1:2", /ECONNREFUSED/],
  ["a host that is none", "http://no-such-host.invalid", /ENOTFOUND|EAI_AGAIN/],
  ["a port that fetch refuses", "http://127.0.0.1:1", /bad port/],
] as const)("%s is unreachable, and the reason is told", async ([, url, reason]) => {
  const problem = await problemOf(httpTo(url).call(read, signal()));

  expect(problem.code).toBe("CONTROL_UNREACHABLE");
  expect(problem.message).toMatch(reason);
});

test("a user name and a password are changed for a token, and for another one when that is refused", async () => {
  const tokens = ["first", "second"];
  const { url, seen } = await aServer((request, response) => {
    const isToken = request.url === "/auth/token";
    const isOld = request.headers.authorization === "Bearer first";
    response.writeHead(isToken ? 201 : isOld ? 401 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(isToken ? { access_token: tokens.shift() } : { name: "x" }));
  });
  const options = { url, where: "target (test)", deadlineMs: 5000 };
  const http = new Http(options, loginWith({ username: "me", password: new Secret(CANARY) }, "auth/token", options));

  await http.call(read, signal());
  await http.call(read, signal());

  expect(seen).toEqual([
    "POST /auth/token",
    "GET /api/v1/thing Bearer first",
    "POST /auth/token",
    "GET /api/v1/thing Bearer second",
    "GET /api/v1/thing Bearer second",
  ]);
});

test("nobody logs in where no login is needed", async () => {
  const { url, seen } = await aServer(replies({}));

  await new Http({ url, where: "source (test)", deadlineMs: 5000 }, nobody).call(read, signal());

  expect(seen).toEqual(["GET /api/v1/thing"]);
});
