import { readFile, stat, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Wave } from "../engine/cutover/waves.ts";
import { readWaves, writeWaves } from "../engine/cutover/waves-file.ts";
import * as problems from "./problems.ts";

/** Read whole into memory; the engine refuses what is larger than 4 MiB. */
const MOST_BYTES = 16 * 1024 * 1024;

function unusable(file: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const reason = code === "ENOENT" ? "there is no such file or folder" : code;
  return problems.wavesFileUnusable({ file, reason }, { cause: error });
}

/** Reads edited waves. `file` is relative to `cwd`. Throws WAVES_FILE_UNUSABLE, WAVES_FILE_INVALID. */
export async function loadWaves(file: string, cwd: string): Promise<readonly Wave[]> {
  return readWaves(await readText(file, resolve(cwd, file)));
}

async function readText(file: string, path: string): Promise<string> {
  const { size } = await stat(path).catch((error: unknown) => {
    throw unusable(file, error);
  });
  if (size > MOST_BYTES) throw problems.wavesFileUnusable({ file, reason: "it is larger than any list of waves" });
  return await readFile(path, "utf8").catch((error: unknown) => {
    throw unusable(file, error);
  });
}

interface Saving {
  readonly file: string;
  readonly cwd: string;
  /** Write over a file that is there, which may have been edited. */
  readonly isForced: boolean;
}

/** Saves waves for people to edit. Throws WAVES_FILE_EXISTS, WAVES_FILE_UNUSABLE. */
export async function saveWaves(waves: readonly Wave[], { file, cwd, isForced }: Saving): Promise<void> {
  try {
    await writeFile(resolve(cwd, file), writeWaves(waves), { flag: isForced ? "w" : "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw problems.wavesFileExists({ file }, { cause: error });
    throw unusable(file, error);
  }
}
