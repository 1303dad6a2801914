import { z } from "zod";
import { isProblem } from "../../domain/problem.ts";
import { isInRange } from "../../domain/release.ts";
import type { Control } from "../../ports/control.ts";
import { controlApiInvalid, controlReleaseUnknown } from "../problems.ts";
import { type RestApi, restApis } from "./apis.ts";
import { Http } from "./http.ts";
import { type Credentials, loginWith, nobody } from "./login.ts";
import { RestControl } from "./rest-control.ts";

export type { Credentials } from "./login.ts";

export interface OpenRestControlOptions {
  /** `source` or `target`, for messages. */
  readonly side: string;
  /** Where the web server or api-server answers: `https://host:8080`, with the deployment's path where it has one, and no login in it. */
  readonly url: string;
  readonly credentials: Credentials;
  /** How long one call may take, in milliseconds. Default 10,000. */
  readonly deadlineMs?: number;
  readonly signal: AbortSignal;
}

const version = z.object({ version: z.string() });

/**
 * Opens control through an environment's REST API: asks it for its release, which needs no login, and takes the row of `apis.ts` for it.
 *
 * Throws CONTROL_API_INVALID, CONTROL_RELEASE_UNKNOWN, and the problems of a call.
 */
export async function openRestControl(options: OpenRestControlOptions): Promise<Control> {
  const { side, credentials, deadlineMs = 10_000, signal } = options;
  const url = readUrl(side, options.url);
  const found = await findVersion(new Http({ url, where: `${side} (API at ${url})`, deadlineMs }, nobody), signal);
  const release = /^\d+\.\d+\.\d+/.exec(found)?.[0];
  const api = release === undefined ? undefined : restApis.find((each) => isInRange(release, each.in));
  if (release === undefined || api === undefined) {
    throw controlReleaseUnknown({ where: `${side} (API at ${url})`, version: found.slice(0, 40) });
  }
  const label = `${side} (Airflow ${release}, API at ${url})`;
  const http = { url, where: label, deadlineMs };
  const login = loginWith(credentials, api.token, http);
  return new RestControl({ http: new Http(http, login), api, release, label, deadlineMs });
}

function readUrl(side: string, text: string): string {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw controlApiInvalid({ side, reason: "its url is no http:// or https:// address" });
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw controlApiInvalid({ side, reason: "its url holds a login, a query or a fragment" });
  }
  return url.href.replace(/\/+$/, "");
}

/** The newest API first: an api-server of 3.x has no v1, a web server of 2.x no v2. */
async function findVersion(http: Http, signal: AbortSignal): Promise<string> {
  const bases = [...new Set(restApis.map(({ base }) => base))].toReversed();
  let missing: unknown;
  for (const base of bases) {
    try {
      return await readVersion(http, base, signal);
    } catch (error) {
      if (!isProblem(error) || !WRONG_BASE.has(error.code)) throw error;
      missing = error;
    }
  }
  throw missing;
}

/** 3.x answers a path of v1 with a page of its own, 2.x one of v2 with a redirect to its log-in. */
const WRONG_BASE = new Set(["CONTROL_NOT_FOUND", "CONTROL_ANSWER_UNEXPECTED", "CONTROL_REDIRECTED"]);

async function readVersion(http: Http, base: RestApi["base"], signal: AbortSignal): Promise<string> {
  const path = [...base.split("/"), "version"];
  return (await http.call({ method: "get", path, shape: version }, signal)).value.version;
}
