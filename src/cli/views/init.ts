import type { View } from "../command.ts";
import { printable } from "./text.ts";

/** What the command `init` wrote, and the references that it rests on. */
export interface InitResult {
  readonly file: string;
  readonly schemaFile: string;
  readonly references: readonly string[];
}

/** What was written and what comes next. */
export const initView: View<InitResult> = {
  human: ({ file, references }) =>
    [
      `Wrote ${printable(file)}. It holds no secret.`,
      ...(references.length === 0 ? [] : [`Before anything else, set: ${printable(references.join(", "))}`]),
      "Next: crosswind doctor",
    ].join("\n"),
  json: (result) => ({ ...result, next: ["crosswind doctor"] }),
};
