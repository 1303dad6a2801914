import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureAirflow } from "../airflow/support/install.ts";
import { runScript } from "./databases.ts";
import { type Path, releaseOf } from "./environments.ts";

/** A database, the releases it went through, and its key. */
export interface MatrixSide {
  readonly path: Path;
  readonly databaseUrl: string;
  readonly fernetKey: string;
}

/** Where a target is not what the independent rules say. */
export interface Difference {
  readonly entity: string;
  readonly key: string;
  readonly kind: string;
  readonly column?: string;
  readonly expected?: string;
  readonly found?: string;
}

/** What the target's own Airflow says about a copy. */
export interface Proof {
  readonly compared: {
    readonly rows: Readonly<Record<string, number>>;
    readonly values: number;
    readonly differences: readonly Difference[];
    readonly count: number;
    /** After a way there and back: `entity` for rows that did not come back, `entity.column` for values. */
    readonly notGivenBack: readonly string[];
  };
  readonly orm: {
    readonly rows: number;
    readonly models: number;
    readonly failures: readonly { readonly model: string; readonly key: readonly string[]; readonly error: string }[];
  };
  readonly api: {
    readonly calls: number;
    readonly failures: readonly { readonly path: string; readonly status: number; readonly text: string }[];
    readonly count: number;
  };
}

/** Proves the last side by its own Airflow, from the first side's rows and the releases of those between. */
export async function prove(source: MatrixSide, targets: readonly MatrixSide[]): Promise<Proof> {
  const target = targets.at(-1);
  if (target === undefined) throw new Error("a proof needs a target");
  const folder = await mkdtemp(join(tmpdir(), "crosswind-matrix-dump-"));
  try {
    const dump = join(folder, "source.json");
    const install = await ensureAirflow(releaseOf(source.path));
    const extra = { DATABASE_URL: source.databaseUrl, FERNET_KEY: source.fernetKey, OUT: dump };
    const release = { RELEASE: releaseOf(source.path) };
    await runScript({ install, ...source, script: "dump_database.py", extra: { ...extra, ...release } });
    const between = targets.slice(0, -1).map((each) => releaseOf(each.path));
    const output = await runScript({
      install: await ensureAirflow(releaseOf(target.path)),
      ...target,
      script: "prove_target.py",
      extra: {
        CHAIN: JSON.stringify([dump, ...between]),
        TARGET_RELEASE: releaseOf(target.path),
        TARGET_DATABASE_URL: target.databaseUrl,
        TARGET_FERNET_KEY: target.fernetKey,
      },
    });
    return JSON.parse(output) as Proof;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
