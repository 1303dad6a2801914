import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { z } from "zod";
import { drainPolicy } from "../../app/drain-policy.ts";
import { drainPolicyNotWritten } from "../../engine/cutover/problems.ts";
import { defineCommand } from "../command.ts";

const options = z.object({
  output: z
    .string()
    .default("airflow_local_settings.py")
    .describe("the file to write; one that is there stays as it is")
    .meta({ value: "FILE" }),
});

/** `crosswind drain-policy`: writes the module that lets DAGs end on an environment. */
export const drainPolicyCommand = defineCommand({
  name: "drain-policy",
  summary: "write the module for airflow_local_settings that lets DAGs without gaps end with their newest run",
  options,
  examples: ["crosswind drain-policy", "crosswind drain-policy --output crosswind_drain.py"],
  async run({ world }, { output }) {
    const file = resolve(world.cwd, output);
    try {
      await writeFile(file, drainPolicy(), { flag: "wx" });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (!code.startsWith("E")) throw error;
      const reason = code === "EEXIST" ? "it is there already" : code;
      throw drainPolicyNotWritten({ file, reason }, { cause: error });
    }
    return { value: { file } };
  },
  view: {
    human: ({ file }) =>
      `Wrote ${file}.\nNext: put it where the scheduler (3.x: the DAG processor) of the side that DAGs leave finds it, as AIRFLOW_HOME/config/airflow_local_settings.py, and start that again; then crosswind cutover --drain-policy`,
    json: (result) => result,
  },
});
