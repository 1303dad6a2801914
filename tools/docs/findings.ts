import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import ts from "typescript";

/** A finding or a check as its source text declares it; names and numbers that are only known at run time stand in ‹ ›. */
export interface Declared {
  readonly file: string;
  readonly props: Readonly<Record<string, string>>;
}

/** Files whose findings and checks are told. */
const FINDINGS = ["src/engine/plan/*.ts", "src/cli/config/*.ts"];
const CHECKS = ["src/engine/doctor/*.ts"];

/** The name of what an expression gives: `names.length` is a number, `enumerate(names)` names, `at.toFixed(1)` at. */
function nameOf(expression: ts.Expression): string {
  if (ts.isIdentifier(expression)) return expression.text;
  if (ts.isPropertyAccessExpression(expression)) {
    return expression.name.text === "length" ? "number" : expression.name.text;
  }
  if (ts.isElementAccessExpression(expression)) return nameOf(expression.expression);
  if (!ts.isCallExpression(expression)) return "value";
  const [first] = expression.arguments;
  if (ts.isPropertyAccessExpression(expression.expression)) return nameOf(expression.expression.expression);
  return nameOf(expression.expression) === "enumerate" || first === undefined ? "names" : nameOf(first);
}

/** The text that `list.map((each) => text)` gives of each; undefined for any other expression. */
function textOfEach(expression: ts.Expression): string | undefined {
  if (!ts.isCallExpression(expression) || !ts.isPropertyAccessExpression(expression.expression)) return undefined;
  const [callback] = expression.arguments;
  if (callback !== undefined && ts.isArrowFunction(callback) && !ts.isBlock(callback.body))
    return textOf(callback.body);
  return textOfEach(expression.expression.expression);
}

/** What an expression says as text; undefined for what only a run knows. */
function textOf(expression: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(expression)) return expression.text;
  if (ts.isTemplateExpression(expression)) {
    const spans = expression.templateSpans.map(
      (span) => `${textOfEach(span.expression) ?? `‹${nameOf(span.expression)}›`}${span.literal.text}`,
    );
    return expression.head.text + spans.join("");
  }
  if (ts.isConditionalExpression(expression)) {
    const parts = [textOf(expression.whenTrue), textOf(expression.whenFalse)].filter((part) => part !== undefined);
    return parts.length === 0 ? undefined : parts.join(" / ");
  }
  if (ts.isArrayLiteralExpression(expression)) {
    return expression.elements.map((element) => textOf(element) ?? "‹value›").join("\n");
  }
  return undefined;
}

/** Object literals of a source text that have all of some properties. */
export function declaredIn(file: string, text: string, needed: readonly string[]): readonly Declared[] {
  const found: Declared[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isObjectLiteralExpression(node)) {
      const names = node.properties.flatMap((each) =>
        each.name !== undefined && ts.isIdentifier(each.name) ? [each.name.text] : [],
      );
      const props = node.properties.flatMap((each) => {
        if (!ts.isPropertyAssignment(each) || !ts.isIdentifier(each.name)) return [];
        const value = textOf(each.initializer);
        return value === undefined ? [] : [[each.name.text, value] as const];
      });
      if (needed.every((each) => names.includes(each))) found.push({ file, props: Object.fromEntries(props) });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
  const [first = ""] = needed;
  return found.filter((each) => each.props[first] !== undefined);
}

async function declared(root: string, patterns: readonly string[], needed: readonly string[]) {
  const files: string[] = [];
  for (const pattern of patterns) for await (const file of glob(pattern, { cwd: root })) files.push(file);
  const sources = files.filter((file) => !file.endsWith(".test.ts")).sort();
  const all = await Promise.all(
    sources.map(async (file) => declaredIn(file, await readFile(join(root, file), "utf8"), needed)),
  );
  return all.flat();
}

/** Every finding that plan and configuration can have. */
export async function declaredFindings(root: string): Promise<readonly Declared[]> {
  return await declared(root, FINDINGS, ["code", "severity", "what", "next"]);
}

/** Every check of the doctor. */
export async function declaredChecks(root: string): Promise<readonly Declared[]> {
  return await declared(root, CHECKS, ["id", "title"]);
}
