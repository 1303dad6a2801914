// Loaded before a command (node --import): leaves what the process needed in the file that BENCH_PROBE names.
import { writeFileSync } from "node:fs";

process.on("exit", () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const probe = { maxResidentMb: maxRSS / 1024, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6 };
  writeFileSync(process.env.BENCH_PROBE ?? "probe.json", JSON.stringify(probe));
});
