import ky, { HTTPError, isKyError, type KyInstance } from "ky";
import type { z } from "zod";
import { isProblem, type Problem } from "../../domain/problem.ts";
import * as problems from "../problems.ts";
import type { Query } from "./apis.ts";

/** How a call says who is calling. */
export interface Login {
  /** The value of `Authorization`; undefined for calls that anybody may do. */
  header(signal: AbortSignal): Promise<string | undefined>;
  /** Forgets a token that was refused; false where there is no other to be had. */
  renew(): boolean;
}

/** One call of the API. `path` is in parts, which are encoded. */
export interface Call<T> {
  readonly method: "get" | "post" | "patch" | "put" | "delete";
  readonly path: readonly string[];
  readonly query?: Query;
  readonly body?: unknown;
  /** What the answer has to be; undefined: nothing is read of it. */
  readonly shape?: z.ZodType<T>;
  /** Sent again after a failure that may pass. Default: for reads only. */
  readonly isRepeatable?: boolean;
  /** A status that says that it is done already. Only for calls without `shape`. */
  readonly isDoneAt?: number;
}

export interface Answer<T> {
  readonly value: T;
  /** The header `Date`: the server's clock, cut to seconds. */
  readonly date: string | null;
}

export interface HttpOptions {
  /** Without a slash at the end. */
  readonly url: string;
  /** For messages: side, release, door. */
  readonly where: string;
  readonly deadlineMs: number;
}

/** Times a call is sent again; waits of 0.3, 0.6 and 1.2 s, or what `Retry-After` says. */
const REPEATS = 3;

/** A server that wants a longer wait than this gets a problem, and not a call that nobody sees the end of. */
const LONGEST_WAIT_MS = 5000;

const FAILURES_THAT_PASS = [408, 429, 500, 502, 503, 504];

/** Codes of Node's TLS errors. Source: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const TLS = /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY)_|HOSTNAME_MISMATCH)/;

/** Calls one API: with a deadline, repeated where that is safe, every failure a problem that names the call and holds no secret. */
export class Http {
  readonly #options: HttpOptions;
  readonly #login: Login;
  readonly #ky: KyInstance;

  constructor(options: HttpOptions, login: Login) {
    this.#options = options;
    this.#login = login;
    this.#ky = ky.create({
      // A redirect leads to a log-in page, or takes the login to another host.
      redirect: "manual",
      headers: { accept: "application/json" },
      timeout: false,
    });
  }

  /** Throws the problems of `ports/control.ts`, or the signal's reason. */
  async call<T>(call: Call<T>, signal: AbortSignal): Promise<Answer<T>> {
    signal.throwIfAborted();
    const deadline = AbortSignal.timeout(this.#options.deadlineMs);
    const either = AbortSignal.any([signal, deadline]);
    try {
      const response = await this.#send(call, either);
      const date = response.headers.get("date");
      if (call.shape === undefined) return { value: undefined as T, date };
      return { value: this.#read(call, call.shape, response.headers.get("content-type"), await response.text()), date };
    } catch (error) {
      signal.throwIfAborted();
      const facts = this.#facts(call);
      if (deadline.aborted) throw problems.controlDeadline({ ...facts, deadlineMs: this.#options.deadlineMs });
      throw toProblem(error, facts);
    }
  }

  async #send(call: Call<unknown>, signal: AbortSignal, mayRenew = true): Promise<Response> {
    const header = await this.#login.header(signal);
    const isRead = call.method === "get";
    const request = this.#ky(urlOf(this.#options.url, call), {
      method: call.method,
      ...(header === undefined ? {} : { headers: { authorization: header } }),
      ...(call.body === undefined ? {} : { json: call.body }),
      signal,
      retry: {
        limit: REPEATS,
        methods: [call.method],
        statusCodes: FAILURES_THAT_PASS,
        afterStatusCodes: FAILURES_THAT_PASS,
        maxRetryAfter: LONGEST_WAIT_MS,
        ...((call.isRepeatable ?? isRead)
          ? {}
          : { shouldRetry: ({ error }) => (wasTurnedAway(error) ? undefined : false) }),
      },
    });
    try {
      return await request;
    } catch (error) {
      if (error instanceof HTTPError && error.response.status === call.isDoneAt) return error.response;
      // A call that was not let in did nothing, so it may be sent again, whatever it is.
      const isOut = error instanceof HTTPError && error.response.status === 401;
      if (!isOut || !mayRenew || !this.#login.renew()) throw error;
      return await this.#send(call, signal, false);
    }
  }

  #facts(call: Pick<Call<unknown>, "method" | "path">): CallFacts {
    return { where: this.#options.where, call: `${call.method.toUpperCase()} /${call.path.join("/")}` };
  }

  #read<T>(call: Call<T>, shape: z.ZodType<T>, type: string | null, text: string): T {
    const unexpected = (reason: string) => problems.controlAnswerUnexpected({ ...this.#facts(call), reason });
    if (!/\bjson\b/.test(type ?? "")) throw unexpected(`it is ${type ?? "of no content type"}, and not JSON`);
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw unexpected("it is no valid JSON");
    }
    const parsed = shape.safeParse(json);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw unexpected(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "another shape"}`);
  }
}

/** There were too many calls: it did nothing, so it may be sent again until its deadline, whatever it is. Source: RFC 6585, section 4. */
function wasTurnedAway(error: unknown): boolean {
  return error instanceof HTTPError && error.response.status === 429;
}

interface CallFacts extends Readonly<Record<string, unknown>> {
  readonly where: string;
  readonly call: string;
}

function urlOf(url: string, { path, query = {} }: Pick<Call<unknown>, "path" | "query">): string {
  const parameters = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    (typeof value === "string" ? [value] : value).map((each) => [name, each]),
  );
  const search = parameters.length === 0 ? "" : `?${new URLSearchParams(parameters).toString()}`;
  return `${url}/${path.map(encodeURIComponent).join("/")}${search}`;
}

/** What an answer of that status means; the reason is the server's own word. */
const BY_STATUS: Readonly<Record<number, (facts: CallFacts) => Problem>> = {
  401: problems.controlUnauthorised,
  403: problems.controlForbidden,
  404: problems.controlNotFound,
  429: problems.controlRateLimited,
};

/** Requests and responses hold the login: of an error only its code and words are kept, never the error itself. */
function toProblem(error: unknown, facts: CallFacts): unknown {
  if (isProblem(error)) return error;
  if (error instanceof HTTPError) return ofResponse(error, facts);
  if (!isKyError(error) && codeOf(error) === "") return error;
  const reason = rootOf(error);
  return TLS.test(codeOf(error))
    ? problems.controlTls({ ...facts, reason })
    : problems.controlUnreachable({ ...facts, reason });
}

function ofResponse(error: HTTPError, facts: CallFacts): Problem {
  const { response } = error;
  const { status } = response;
  if (status >= 300 && status < 400) {
    return problems.controlRedirected({ ...facts, to: withoutQuery(response.headers.get("location")) });
  }
  const known = BY_STATUS[status];
  if (known !== undefined) return known(facts);
  const reason = reasonOf(error);
  return status >= 500
    ? problems.controlServerFailed({ ...facts, status, reason })
    : problems.controlRefused({ ...facts, status, reason });
}

function withoutQuery(location: string | null): string {
  return (location ?? "nowhere").split(/[?#]/)[0] ?? "";
}

/** `detail` or `title` of an answer, when it is text: lists of what was wrong repeat what was sent. */
function reasonOf(error: HTTPError): string {
  const body: unknown = error.data;
  const { detail, title } = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const [text] = [detail, title, error.response.statusText].filter((each) => typeof each === "string" && each !== "");
  return typeof text === "string" ? text.replaceAll(/\s+/g, " ").slice(0, 300) : "no reason given";
}

/** The first code in a chain of causes: fetch says `fetch failed`, and what failed is below it. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" ? code : codeOf(error.cause);
}

/** The words of the last cause: `connect ECONNREFUSED 127.0.0.1:8080`. An error for several addresses has a code and no words. */
function rootOf(error: unknown): string {
  if (error instanceof Error && error.cause instanceof Error) return rootOf(error.cause);
  return error instanceof Error && error.message !== "" ? error.message : codeOf(error);
}
