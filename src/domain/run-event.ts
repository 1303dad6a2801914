/** What a run is doing, in the order in which it does it. */
export type Phase = "prepare" | "objects" | "history" | "indexes" | "finish";

/** Something that happened in a run. Progress bars, event lines and the record of the run are made of these. */
export type RunEvent =
  | { readonly kind: "phase"; readonly phase: Phase }
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
  | { readonly kind: "restored"; readonly name: string; readonly of: number }
  | {
      readonly kind: "changed";
      readonly entity: string;
      readonly field: string;
      readonly change: string;
      readonly count: number;
    }
  | { readonly kind: "verified"; readonly entity: string; readonly rows: number };

/** Takes events; must not throw and must not wait. */
export type EventSink = (event: RunEvent) => void;
