import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { z } from "zod";
import type { Plan } from "../domain/plan.ts";
import * as problems from "./problems.ts";

/** The parts that are looked at before a plan is trusted; its other parts are checked against the databases. */
const planShape = z.looseObject({
  format: z.literal(1),
  id: z.uuid(),
  createdAt: z.iso.datetime(),
  crosswind: z.string(),
  source: z.looseObject({ identity: z.string() }),
  target: z.looseObject({ identity: z.string() }),
  selection: z.looseObject({ dags: z.array(z.string()), entities: z.array(z.string()) }),
  entities: z.array(z.looseObject({ entity: z.string(), toCopy: z.number() })),
  findings: z.array(z.looseObject({ code: z.string(), severity: z.enum(["blocker", "warning", "note"]) })),
});

/** Of what a plan says, however the file is indented. Keeps nobody from making another one; it tells what was changed in passing. */
function digestOf(plan: Plan): string {
  return createHash("sha256").update(JSON.stringify(plan)).digest("hex");
}

/** A plan is read whole into memory; a real one has a few dozen kilobytes. */
const MOST_BYTES = 16 * 1024 * 1024;

/** Saves a plan, readable by people, and by nobody else than its owner: it names DAGs, connections and hosts. */
export async function writePlan(file: string, plan: Plan): Promise<void> {
  await writeFile(file, `${JSON.stringify({ ...plan, digest: digestOf(plan) }, null, 2)}\n`, { mode: 0o600 });
}

/** Reads a saved plan. Throws PLAN_UNREADABLE for a missing file or anything that is no plan, PLAN_EDITED for one that was changed since. */
export async function readPlan(file: string): Promise<Plan> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw problems.planUnreadable(
      {
        file,
        reason: (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : "it can not be read",
      },
      { cause: error },
    );
  }
  if (text.length > MOST_BYTES) throw problems.planUnreadable({ file, reason: "it is larger than any plan" });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw problems.planUnreadable({ file, reason: "it is not JSON" }, { cause: error });
  }
  const parsed = planShape.safeParse(json);
  if (!parsed.success) {
    const first = parsed.error.issues[0];
    throw problems.planUnreadable({ file, reason: `${first?.path.join(".") ?? ""} ${first?.message ?? "is wrong"}` });
  }
  const { digest, ...plan } = json as Plan & { readonly digest?: unknown };
  if (digest !== digestOf(plan)) throw problems.planEdited({ file });
  return plan;
}
