import { setTimeout as sleep } from "node:timers/promises";
import type { EventSink } from "../domain/run-event.ts";
import type { Orders } from "../runs/executors.ts";
import type { HeldLimits } from "../runs/limits.ts";

const LOOK_MS = 200;

export interface TakePart {
  readonly signal: AbortSignal;
  readonly onEvent: EventSink;
  readonly limits: HeldLimits | undefined;
  /** This process among those that take part. */
  readonly executor: string;
}

/** Holds items back while the run is paused, outside of the hours of its environments, or while all connections are taken. */
export function admission({ signal, onEvent, limits, executor }: TakePart) {
  let isPaused = false;
  const tell = (now: boolean) => {
    if (now !== isPaused) onEvent({ kind: "paused", isPaused: now });
    isPaused = now;
  };
  return async (orders: () => Orders): Promise<AsyncDisposable | undefined> => {
    while (orders().wanted === "pause" && !signal.aborted) {
      tell(true);
      await sleep(LOOK_MS);
    }
    tell(false);
    return await limits?.admit(executor, signal);
  };
}

/** Looks at what is asked of a run until it is disposed of. */
export function watchOrders(orders: () => Orders, onLook: (orders: Orders) => void): Disposable {
  const timer = setInterval(() => onLook(orders()), LOOK_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
