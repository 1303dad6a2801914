import { defineProblem } from "../domain/problem.ts";

const MAY_BE_DONE =
  "nothing else was changed; a call that writes may have been done all the same: the state is read again before the next one.";
const NOT_DONE = "this call changed nothing.";

/** `where` names side, release and door; `call` is what was asked: `GET /api/v2/dags`, `pause etl`. Neither holds a secret. */
interface Call extends Readonly<Record<string, unknown>> {
  readonly where: string;
  readonly call: string;
}

export const controlUnauthorised = defineProblem<Call>({
  code: "CONTROL_UNAUTHORISED",
  what: ({ where, call }) => `${where} does not accept the login: ${call} was answered with 401.`,
  safe: () => NOT_DONE,
  next: () => [
    "check api.username and api.password, or api.token, of that side in crosswind.yaml; a token may have expired",
    "Airflow 2.x: [api] auth_backends must contain airflow.api.auth.backend.basic_auth for a user name and password",
  ],
  retry: "after-fix",
});

export const controlForbidden = defineProblem<Call>({
  code: "CONTROL_FORBIDDEN",
  what: ({ where, call }) => `the user of ${where} may not do ${call}: it was answered with 403.`,
  safe: () => NOT_DONE,
  next: () => [
    "give that user the right to read and edit DAGs and DAG runs (the role Op or Admin has it)",
    "Airflow 2.x: [api] auth_backends must not be deny_all",
  ],
  retry: "after-fix",
});

export const controlRateLimited = defineProblem<Call>({
  code: "CONTROL_RATE_LIMITED",
  what: ({ where, call }) =>
    `${where} answers too many requests (429) to ${call}, also after waiting as long as it said.`,
  safe: () => NOT_DONE,
  next: () => ["run the same command again in a minute", "raise the limit of the proxy in front of the API"],
  retry: "automatic",
});

export const controlServerFailed = defineProblem<Call & { readonly status: number; readonly reason: string }>({
  code: "CONTROL_SERVER_FAILED",
  what: ({ where, call, status, reason }) => `${where} failed at ${call} with ${status}: ${reason}.`,
  safe: () => MAY_BE_DONE,
  next: () => [
    "look into the log of that Airflow's web server (3.x: api-server)",
    "run the same command again when it answers",
  ],
  retry: "automatic",
});

export const controlUnreachable = defineProblem<Call & { readonly reason: string }>({
  code: "CONTROL_UNREACHABLE",
  what: ({ where, call, reason }) => `no answer from ${where} to ${call}: ${reason}.`,
  safe: () => MAY_BE_DONE,
  next: () => [
    "check api.url of that side in crosswind.yaml, and that its web server (3.x: api-server) runs",
    "crosswind doctor",
  ],
  retry: "automatic",
});

export const controlTls = defineProblem<Call & { readonly reason: string }>({
  code: "CONTROL_TLS",
  what: ({ where, reason }) => `the certificate of ${where} can not be trusted: ${reason}.`,
  safe: () => "nothing was sent.",
  next: () => [
    "a certificate authority of your own: name its file in the environment variable NODE_EXTRA_CA_CERTS",
    "check that the host in api.url is the one the certificate is for",
  ],
  retry: "after-fix",
});

export const controlRedirected = defineProblem<Call & { readonly to: string }>({
  code: "CONTROL_REDIRECTED",
  what: ({ where, call, to }) =>
    `${where} answered ${call} with a redirect to ${to}: a log-in page or another address.`,
  safe: () => NOT_DONE,
  next: () => [
    "write the address that the API itself answers at as api.url, https:// included",
    "behind a single sign-on: give a token as api.token",
  ],
  retry: "after-fix",
});

export const controlDeadline = defineProblem<Call & { readonly deadlineMs: number }>({
  code: "CONTROL_DEADLINE",
  what: ({ where, call, deadlineMs }) => `${where} did not finish ${call} within ${deadlineMs} ms.`,
  safe: () => MAY_BE_DONE,
  next: () => ["look what its web server or database is busy with, then run the same command again"],
  retry: "automatic",
});

export const controlNotFound = defineProblem<Call>({
  code: "CONTROL_NOT_FOUND",
  what: ({ where, call }) => `${where} does not know what ${call} asks for (404).`,
  safe: () => NOT_DONE,
  next: () => [
    "check that the DAG is parsed on that side",
    "check api.url of that side: without /api/v1 or /api/v2, with the path of the deployment where it has one",
  ],
  retry: "after-fix",
});

export const controlRefused = defineProblem<Call & { readonly status: number; readonly reason: string }>({
  code: "CONTROL_REFUSED",
  what: ({ where, call, status, reason }) => `${where} refused ${call} with ${status}: ${reason}.`,
  safe: () => NOT_DONE,
  next: () => ["the reason is that Airflow's own: settle it there, then run the same command again"],
  retry: "after-fix",
});

export const controlAnswerUnexpected = defineProblem<Call & { readonly reason: string }>({
  code: "CONTROL_ANSWER_UNEXPECTED",
  what: ({ where, call, reason }) => `${where} answered ${call} with something else than its release does: ${reason}.`,
  safe: () => MAY_BE_DONE,
  next: () => [
    "check that api.url is Airflow's own API and not a page or proxy in front of it",
    "leave api out of that side, to control it through its database",
  ],
  retry: "after-fix",
});

export const controlLacksAbility = defineProblem<{ readonly where: string; readonly ability: string }>({
  code: "CONTROL_LACKS_ABILITY",
  what: ({ where, ability }) => `${where} has no way to do ${ability}.`,
  safe: () => NOT_DONE,
  next: () => ["use the other door: with api in crosswind.yaml, or without it through the database"],
  retry: "never",
});

export const controlReleaseUnknown = defineProblem<{ readonly where: string; readonly version: string }>({
  code: "CONTROL_RELEASE_UNKNOWN",
  what: ({ where, version }) => `${where} says it is Airflow ${version}, whose API is not known here.`,
  safe: () => NOT_DONE,
  next: () => ["update airflow-crosswind", "leave api out of that side, to control it through its database"],
  retry: "after-fix",
});

export const controlApiInvalid = defineProblem<{ readonly side: string; readonly reason: string }>({
  code: "CONTROL_API_INVALID",
  what: ({ side, reason }) => `${side}.api can not be used: ${reason}.`,
  safe: () => "nothing was sent.",
  next: ({ side }) => [
    `write ${side}.api as { url: https://HOST:PORT, username: NAME, password: \${env:PASSWORD} }, or with token in place of the last two`,
    `leave ${side}.api out, to control that side through its database`,
  ],
  retry: "after-fix",
});
