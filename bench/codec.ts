import type { LaneResult } from "./report.ts";
export async function benchCodecs(_serverUrl: string): Promise<LaneResult> {
  throw new Error("later");
}
