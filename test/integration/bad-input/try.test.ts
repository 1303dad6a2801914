import { test } from "vitest";
import { anEnvironment } from "../../support/an-environment.ts";
test("try", async () => {
  await using env = await anEnvironment();
  const p = await env.plan();
  console.log(p.code, p.elapsedMs, JSON.stringify(p.blockers), p.stderr, p.stdout.slice(0, 300));
  const a = await env.apply();
  console.log(a.code, a.elapsedMs, a.stdout, a.stderr.slice(-3000));
  const s = await env.run(["status"]);
  console.log(s.code, s.elapsedMs, s.stdout);
});
