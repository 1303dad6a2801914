import { writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { gatherEvidence, liftEndDates, removeRecords } from "../../app/complete.ts";
import { removeLanded } from "../../app/remove-landed.ts";
import { notConfirmed } from "../../engine/complete/problems.ts";
import { defineCommand } from "../command.ts";
import { loadConfig } from "../config/load.ts";
import { completeView } from "../views/complete.ts";
import { evidencePage } from "../views/evidence.ts";

const options = z.object({
  output: z
    .string()
    .default("crosswind.evidence")
    .describe("the evidence, as FILE.json and FILE.html")
    .meta({ value: "FILE" }),
  acceptDifferences: z
    .string()
    .optional()
    .describe("complete although rows differ; the reason is kept in the evidence")
    .meta({ value: "REASON" }),
  yes: z.boolean().default(false).describe("remove the record; without it only the evidence is written"),
});

/** `crosswind complete`: ends a migration. */
export const completeCommand = defineCommand({
  name: "complete",
  summary: "end the migration: compare once more, write the evidence, remove what Crosswind keeps in the databases",
  options,
  examples: [
    "crosswind complete",
    "crosswind complete --yes",
    "crosswind complete --output migration-2026 --yes --json",
  ],
  async run({ world, configFile, signal }, { output, acceptDifferences, yes }) {
    const { config } = await loadConfig({ file: configFile, env: world.env, cwd: world.cwd });
    const evidence = await gatherEvidence(config, {
      who: world.user,
      homeDir: dirname(configFile),
      ...(acceptDifferences === undefined ? {} : { accepted: acceptDifferences }),
      now: world.now,
      signal,
    });
    const files = [`${output}.json`, `${output}.html`] as const;
    await writeFile(resolve(world.cwd, files[0]), `${JSON.stringify(evidence, undefined, 2)}\n`);
    await writeFile(resolve(world.cwd, files[1]), evidencePage(evidence));
    if (!yes) throw notConfirmed({ file: files[1] });
    await liftEndDates(config, evidence, signal);
    const { identity } = evidence;
    const records = await removeRecords(config, identity);
    const landed = await removeLanded(config, { identity, homeDir: dirname(configFile) });
    const removed = landed.ledger ? [...records, "target" as const] : records;
    return { value: { evidence, files, removed, stagings: landed.databases } };
  },
  view: completeView,
});
