import { z } from "zod";
import type { Secret } from "../../domain/secret.ts";
import { Http, type HttpOptions, type Login } from "./http.ts";

/** Who calls: with a user name and a password, or with a token that somebody else gave. */
export type Credentials = { readonly username: string; readonly password: Secret } | { readonly token: Secret };

/** For calls that need no login. */
export const nobody: Login = { header: async () => undefined, renew: () => false };

/** Source: `LoginResponse` of the auth managers' OpenAPI files. */
const tokenAnswer = z.object({ access_token: z.string() });

/**
 * The login of an API: a token that was given is sent as it is; a user name and a password are sent with each call (2.x), or changed for a
 * token where `tokenPath` says where (3.x), and for a new one when it has expired.
 */
export function loginWith(credentials: Credentials, tokenPath: string | undefined, options: HttpOptions): Login {
  if ("token" in credentials) {
    const { token } = credentials;
    return { header: async () => `Bearer ${token.reveal()}`, renew: () => false };
  }
  const { username, password } = credentials;
  if (tokenPath === undefined) {
    const header = async () => `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString("base64")}`;
    return { header, renew: () => false };
  }
  return new TokenLogin(new Http(options, nobody), { username, password, path: tokenPath.split("/") });
}

interface TokenRequest {
  readonly username: string;
  readonly password: Secret;
  readonly path: readonly string[];
}

class TokenLogin implements Login {
  readonly #http: Http;
  readonly #request: TokenRequest;
  #token: string | undefined;

  constructor(http: Http, request: TokenRequest) {
    this.#http = http;
    this.#request = request;
  }

  async header(signal: AbortSignal): Promise<string> {
    this.#token ??= await this.#ask(signal);
    return `Bearer ${this.#token}`;
  }

  renew(): boolean {
    this.#token = undefined;
    return true;
  }

  async #ask(signal: AbortSignal): Promise<string> {
    const { username, password, path } = this.#request;
    const body = { username, password: password.reveal() };
    const { value } = await this.#http.call({ method: "post", path, body, shape: tokenAnswer }, signal);
    return value.access_token;
  }
}
