import { inspect } from "node:util";

const DOTS = "••••••";

/**
 * A value that must never be shown: a Fernet key, a password, a token.
 *
 * Every way of printing it (string conversion, JSON, `console.log`, an error message) gives dots.
 * The only way to the value is {@link Secret.reveal}, so that a reader of the code can find every place that needs it.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. Call it as late as possible and never store the result. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return DOTS;
  }

  toJSON(): string {
    return DOTS;
  }

  [Symbol.toPrimitive](): string {
    return DOTS;
  }

  [inspect.custom](): string {
    return DOTS;
  }
}
