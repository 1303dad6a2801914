import type { Database, LandedFrom, Row, Session } from "../../ports/database.ts";

interface LandedOptions {
  /** Staging, read-only. */
  readonly staging: Database;
  readonly landed: LandedFrom;
  readonly label: string;
  readonly address: string;
}

/** A landed source: read like any Postgres, called by what it is, and known by its own identity. */
export class LandedDatabase implements Database {
  readonly landed: LandedFrom;
  readonly label: string;
  readonly address: string;
  readonly isPooled = false;
  readonly #staging: Database;

  constructor({ staging, landed, label, address }: LandedOptions) {
    this.#staging = staging;
    this.landed = landed;
    this.label = label;
    this.address = address;
  }

  session(): Promise<Session> {
    return this.#staging.session();
  }

  query<R extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<readonly R[]> {
    return this.#staging.query<R>(sql, values);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#staging[Symbol.asyncDispose]();
  }
}
