import { z } from "zod";
import type { ImportErrorReading } from "../../ports/control.ts";
import { instant, maybeInstant } from "./instant.ts";

export const importError = z
  .object({ filename: z.string(), timestamp: maybeInstant, stack_trace: z.string() })
  .transform((each): ImportErrorReading => ({ file: each.filename, at: each.timestamp, text: each.stack_trace }));

export const health = z.object({ scheduler: z.object({ latest_scheduler_heartbeat: maybeInstant }) });

export const config = z.object({ sections: z.array(z.object({ options: z.array(z.object({ value: z.unknown() })) })) });

export const backfill = z.object({
  id: z.int(),
  from_date: instant,
  to_date: instant,
  completed_at: maybeInstant,
});

export const paused = z.object({ is_paused: z.boolean() });

export const state = z.object({ state: z.string() });
