import { dirname } from "node:path";
import { z } from "zod";
import { openDoctorSource, openDoctorTarget, openTarget } from "../../app/sides.ts";
import { openState } from "../../app/state.ts";
import type { Config } from "../../domain/config.ts";
import type { Finding } from "../../domain/finding.ts";
import { isProblem } from "../../domain/problem.ts";
import type { Check, DoctorReport } from "../../engine/doctor/check.ts";
import { runDoctor, type StateFacts } from "../../engine/doctor/doctor.ts";
import { defineCommand, EXIT } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { stateUnreachable } from "../config/problems.ts";
import { doctorView } from "../views/doctor.ts";

/** `crosswind doctor`: checks both sides; writes nothing there. Exit code 3 when something stops a migration. */
export const doctorCommand = defineCommand({
  name: "doctor",
  summary: "check connections, rights, releases and keys of both sides; changes nothing",
  options: z.object({}),
  examples: ["crosswind doctor", "crosswind doctor --json"],
  async run({ world, configFile }) {
    const loaded = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const { config } = loaded;
    await using source = openDoctorSource(config, { homeDir: dirname(configFile) });
    await using target = openDoctorTarget(config, { homeDir: dirname(configFile) });
    const report = await runDoctor({
      source,
      target,
      openState: () => tryState(config, dirname(configFile)),
      now: world.now,
    });
    const value: DoctorReport = { checks: [...report.checks, ...loaded.findings.map(asCheck)] };
    const isBlocked = value.checks.some((check) => check.status === "blocker");
    return { value, exitCode: isBlocked ? EXIT.blocked : EXIT.done };
  },
  view: doctorView,
});

/** Opens and closes the state database. Throws STATE_DATABASE_UNREACHABLE. */
async function tryState(config: Config, homeDir: string): Promise<StateFacts> {
  await using state = await openState(config, homeDir);
  if (config.state === undefined) return { label: state.label };
  await using opened = openTarget({ ...config, target: { database: state.url } });
  try {
    const [server] = await opened.query<{ version: string; versionNumber: number }>(
      `select current_setting('server_version') as version, current_setting('server_version_num')::int as "versionNumber"`,
    );
    return { label: state.label, ...(server === undefined ? {} : { server }) };
  } catch (error) {
    if (!isProblem(error)) throw error;
    const reason = error.cause instanceof Error ? (error.cause.message.split("\n")[0] ?? error.code) : error.code;
    throw stateUnreachable({ where: state.label, reason }, { cause: error });
  }
}

function asCheck({ severity, what, next }: Finding): Check {
  return { side: "both", id: "configuration", title: "Configuration", status: severity, detail: what, next };
}
