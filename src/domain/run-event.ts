/** What a run is doing, in the order in which it does it. */
export type Phase = "landing" | "prepare" | "objects" | "history" | "indexes" | "finish" | "upload";

/** Something that happened in a run. Progress bars, event lines and the record of the run are made of these. */
export type RunEvent =
  | { readonly kind: "phase"; readonly phase: Phase }
  | { readonly kind: "landing"; readonly table: string; readonly rows: number }
  | { readonly kind: "landed"; readonly table: string; readonly rows: number; readonly isChanged: boolean }
  | { readonly kind: "resumed"; readonly chunksThere: number }
  | { readonly kind: "planned"; readonly entity: string; readonly chunks: number }
  | { readonly kind: "bytes"; readonly entity: string; readonly bytes: number }
  | {
      readonly kind: "chunk";
      readonly entity: string;
      readonly chunk: string;
      readonly rows: number;
      readonly bytes: number;
      readonly isNew: boolean;
    }
  | { readonly kind: "taken-off"; readonly names: number }
  /** `reason`: of a read snapshot that was lost; without it, it was too old. */
  | { readonly kind: "snapshot-renewed"; readonly reason?: string }
  | { readonly kind: "paused"; readonly isPaused: boolean }
  | { readonly kind: "following"; readonly by: string }
  | { readonly kind: "restored"; readonly name: string }
  | {
      readonly kind: "changed";
      readonly entity: string;
      readonly field: string;
      readonly change: string;
      readonly count: number;
    }
  | {
      readonly kind: "uploaded";
      readonly table: string;
      readonly chunk: string;
      readonly rows: number;
      readonly isNew: boolean;
    }
  | { readonly kind: "verified"; readonly entity: string; readonly rows: number };

/** Takes events; must not throw and must not wait. */
export type EventSink = (event: RunEvent) => void;
