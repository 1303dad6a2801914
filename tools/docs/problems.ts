import { glob } from "node:fs/promises";
import { join } from "node:path";
import type { ProblemKind, Retry } from "../../src/domain/problem.ts";
import { declaredChecks, declaredFindings } from "./findings.ts";
import { code, page, table } from "./markdown.ts";
import { sampleFacts } from "./placeholder.ts";

type Kind = ProblemKind<Readonly<Record<string, unknown>>>;

/** A declared problem and the file that declares it. */
export interface DeclaredProblem {
  readonly file: string;
  readonly kind: Kind;
}

const RETRY: Readonly<Record<Retry, string>> = {
  never: "does not help",
  "after-fix": "after the fix",
  automatic: "by running the same command again",
};

/** Every problem of every `problems.ts` below src/, by code. */
export async function declaredProblems(root: string): Promise<readonly DeclaredProblem[]> {
  const found: DeclaredProblem[] = [];
  for await (const file of glob("src/**/problems.ts", { cwd: root })) {
    const exported = (await import(join(root, file))) as Readonly<Record<string, unknown>>;
    for (const value of Object.values(exported)) {
      const kind = (value as { readonly kind?: Kind } | null)?.kind;
      if (typeof kind?.code === "string") found.push({ file, kind });
    }
  }
  return found.toSorted((a, b) => (a.kind.code < b.kind.code ? -1 : 1));
}

function sentence(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

function problemSection({ file, kind }: DeclaredProblem): string {
  const facts = sampleFacts();
  const next = kind.next(facts).map((each) => `  - ${sentence(each).replaceAll("<", "&lt;")}`);
  return [
    `### ${kind.code}`,
    "",
    sentence(kind.what(facts)),
    "",
    `- Safe: ${sentence(kind.safe(facts))}`,
    "- Next:",
    ...next,
    `- Trying again: ${RETRY[kind.retry]}.`,
    `- Declared in ${code(file)}.`,
  ].join("\n");
}

function sideOf({ file, props }: { readonly file: string; readonly props: Readonly<Record<string, string>> }): string {
  if (file.endsWith("pair-checks.ts")) return "both together";
  return props["on"] ?? props["side"] ?? "each";
}

/** docs/reference/problems.md */
export async function problemsPage(root: string): Promise<string> {
  const problems = await declaredProblems(root);
  const findings = (await declaredFindings(root)).toSorted((a, b) =>
    String(a.props["code"]) < String(b.props["code"]) ? -1 : 1,
  );
  const checks = await declaredChecks(root);
  return page(
    "# Problems and findings",
    "Where names and numbers go there is ‹a word›. What changed values mean is in [changed-values.md](changed-values.md).",
    "## Problems",
    'An expected failure. It ends the command with exit code 1 (`PLAN_BLOCKED`: 3, a code that begins with `USAGE_`: 2), and says what is safe and what to do next. With `--json` it is one document: `{"problem": {"code", "what", "safe", "next", "retry"}}`. `safe` can say more than here, because only the ledger knows what was written already.',
    ...problems.map(problemSection),
    "## Findings",
    "A result of a check: collected, never thrown. A `blocker` makes `plan` end with exit code 3, and `apply` refuses that plan.",
    table(
      ["code", "severity", "what", "next"],
      findings.map(({ props }) => [
        code(props["code"] ?? ""),
        props["severity"] ?? "",
        sentence(props["what"] ?? ""),
        (props["next"] ?? "")
          .split("\n")
          .filter((each) => each !== "")
          .join("; "),
      ]),
    ),
    "## Checks of `crosswind doctor`",
    "Each is `ok`, `note`, `warning` or `blocker`, with what was found and, where it can be mended, the statements for it.",
    table(
      ["check", "what it looks at", "side"],
      checks.map((each) => [code(each.props["id"] ?? ""), each.props["title"] ?? "", sideOf(each)]),
    ),
  );
}
