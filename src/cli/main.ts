import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";

// In a folder of the user's own: what lies there is run. Where it can not be made, everything is compiled again, which takes longer.
enableCompileCache(join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "airflow-crosswind", "compiled"));
// What passes through lives for a moment. Left to grow, the space for new objects takes 100 MB more and makes nothing faster (measured).
setFlagsFromString("--semi-space-growth-factor=1");
// Only now: what is loaded before is not kept.
await import("./start.ts");
