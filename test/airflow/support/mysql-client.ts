import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import type { AirflowInstall } from "./install.ts";
import { run } from "./processes.ts";

/** What mysqlclient is compiled with. */
const PACKAGES = ["default-libmysqlclient-dev", "pkg-config", "gcc"];

async function works(command: string, args: readonly string[]): Promise<boolean> {
  return await run(command, args).then(
    () => true,
    () => false,
  );
}

/** Adds the only driver that Airflow 3 takes for MySQL, and the asynchronous one beside it; compiled here, with Debian's headers. */
export async function addMysqlClient({ python }: AirflowInstall): Promise<void> {
  if (await works(python, ["-c", "import MySQLdb, aiomysql"])) return;
  const hasHeaders = await works("pkg-config", ["--exists", "libmariadb"]);
  if (!hasHeaders && userInfo().uid === 0) {
    const env = { PATH: process.env["PATH"] ?? "", DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update"], { env });
    await run("apt-get", ["install", "-y", "--no-install-recommends", ...PACKAGES], { env });
  }
  const cache = process.env["CROSSWIND_AIRFLOW_CACHE"] ?? join(homedir(), ".cache", "airflow-crosswind");
  const args = ["pip", "install", "--quiet", "--python", python, "mysqlclient", "aiomysql"];
  await run(join(cache, "uv", "bin", "uv"), args, { timeoutMs: 600_000 });
}
