import type { Database, Session } from "../../ports/database.ts";
import type { KeptLedger, KeptRun, UploadClaim, UploadLedger } from "../../ports/raw-target.ts";

const TABLES = `
  create schema if not exists crosswind_kept;
  create table if not exists crosswind_kept.run (id text primary key, mirror text not null, summary text);
  create table if not exists crosswind_kept.ledger (name text primary key, content jsonb not null)`;

/** The ledger of a target that lets us make no database: in staging, beside the landed tables. It is only there, and goes with it. */
export class StagingLedger implements UploadLedger {
  readonly isInTarget = false;
  readonly #staging: Database;

  constructor(staging: Database) {
    this.#staging = staging;
  }

  async #use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    await using session = await this.#staging.session();
    await session.query(TABLES);
    return await work(session);
  }

  async read(): Promise<KeptLedger | undefined> {
    return await this.#use(async (session) => {
      const rows = await session.query<{ name: string; rows: readonly string[] }>(
        "select name, array(select jsonb_array_elements(content)::text) as rows from crosswind_kept.ledger",
      );
      return rows.length === 0 ? undefined : { tables: Object.fromEntries(rows.map((row) => [row.name, row.rows])) };
    });
  }

  async add(_claim: UploadClaim, { tables }: KeptLedger): Promise<void> {
    await this.#use(async (session) => {
      for (const [name, rows] of Object.entries(tables)) {
        await session.query(
          `insert into crosswind_kept.ledger as l (name, content) values ($1, $2::jsonb)
           on conflict (name) do update set content = l.content || excluded.content`,
          [name, `[${rows.join(",")}]`],
        );
      }
    });
  }

  async readRun(id: string): Promise<KeptRun | undefined> {
    return await this.#use(async (session) => {
      const [row] = await session.query<{ mirror: string; summary: string | null }>(
        "select mirror, summary from crosswind_kept.run where id = $1",
        [id],
      );
      return row && { mirror: row.mirror, ...(row.summary === null ? {} : { summary: row.summary }) };
    });
  }

  async remove(): Promise<void> {
    await this.#use((session) => session.query("drop schema crosswind_kept cascade"));
  }

  async write(run: KeptRun & { readonly id: string }, { tables }: KeptLedger): Promise<void> {
    await this.#use((session) =>
      session.transaction(async () => {
        await session.query("set local synchronous_commit = on");
        await session.query(
          `insert into crosswind_kept.run (id, mirror, summary) values ($1, $2, $3) on conflict (id) do update set summary = $3`,
          [run.id, run.mirror, run.summary ?? null],
        );
        await session.query("delete from crosswind_kept.ledger");
        for (const [name, rows] of Object.entries(tables)) {
          await session.query("insert into crosswind_kept.ledger (name, content) values ($1, $2::jsonb)", [
            name,
            `[${rows.join(",")}]`,
          ]);
        }
      }),
    );
  }
}
