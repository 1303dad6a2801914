import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { declaredFindings, declaredIn } from "./findings.ts";
import { replaceSection, table } from "./markdown.ts";
import { sampleFacts } from "./placeholder.ts";
import { declaredProblems } from "./problems.ts";
import { terminalPicture } from "./terminal-svg.ts";

const root = dirname(dirname(import.meta.dirname));

describe("problems", () => {
  test("no two have one code", async () => {
    const codes = (await declaredProblems(root)).map((each) => each.kind.code);

    expect(codes.length).toBeGreaterThan(20);
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
  });

  test("begin with their area, in capitals", async () => {
    const codes = (await declaredProblems(root)).map((each) => each.kind.code);

    expect(codes.filter((code) => !/^[A-Z]+(_[A-Z0-9]+)+$/.test(code))).toEqual([]);
  });

  test("can be told with any facts, and always say what is safe and what to do", async () => {
    const facts = sampleFacts();

    const silent = (await declaredProblems(root)).filter(
      ({ kind }) => kind.what(facts) === "" || kind.safe(facts) === "" || kind.next(facts).join("") === "",
    );

    expect(silent).toEqual([]);
  });
});

describe("findings", () => {
  test("are found with what they say", async () => {
    const findings = await declaredFindings(root);

    expect(findings.map((each) => each.props["code"])).toContain("SECRET_UNREADABLE");
    expect(findings.filter((each) => each.props["what"] === undefined)).toEqual([]);
  });

  test("show where names and numbers go", () => {
    const source =
      // oxlint-disable-next-line no-template-curly-in-string -- source text that holds a template
      'const f = { code: "A_B", what: `${n.length} of ${entity.title}: ${enumerate(n)} ${isA ? "a" : "b"} at ${list[0]}`, next: [`do ${n.map((x) => `--without ${x.label}`).join(" ")}`] };';

    const [found] = declaredIn("f.ts", source, ["code", "what"]);

    expect(found?.props["what"]).toBe("‹number› of ‹title›: ‹names› ‹value› at ‹list›");
    expect(found?.props["next"]).toBe("do --without ‹label›");
  });

  test("an object without a code in its text is none", () => {
    expect(declaredIn("f.ts", "const f = { code: other, what: 'x' };", ["code", "what"])).toEqual([]);
  });
});

test("facts print as their names, also as lists and numbers", () => {
  const { file, errors } = sampleFacts() as { file: string; errors: readonly { where: string }[] };

  expect(`${file}, ${errors.length}, ${errors.map((each) => each.where).join(" ")}`).toBe("‹file›, ‹number›, ‹where›");
});

test("a section is replaced between its marks, and a page without marks is refused", () => {
  const text = "a\n<!-- generated:x -->\nold\n<!-- /generated:x -->\nb\n";

  expect(replaceSection(text, "x", "new")).toBe("a\n<!-- generated:x -->\nnew\n<!-- /generated:x -->\nb\n");
  expect(() => replaceSection("a", "x", "new")).toThrow("no marks");
});

test("a bar in a cell does not end it", () => {
  expect(table(["a"], [["x|y"]])).toBe("| a |\n| --- |\n| x\\|y |");
});

test("a picture of a terminal shows what was printed, without colours and ports of this machine", () => {
  const svg = terminalPicture("$ crosswind plan\n\u001b[31mSource <a> & b\u001b[0m  me@127.0.0.1:40123/x\n");

  expect(svg).toContain(">Source &lt;a&gt; &amp; b  me@127.0.0.1:5432/x</text>");
  expect(svg).not.toContain("\u001b");
});

test("a picture of a terminal shows the beginning and the end of what is long", () => {
  const lines = Array.from({ length: 40 }, (_, index) => `line ${index}`);

  const svg = terminalPicture(`$ one\n${lines.join("\n")}\n$ two\nshort\n`);

  expect(svg).toMatch(/>line 0<[\s\S]*more lines<[\s\S]*>line 39<[\s\S]*>\$ two<[\s\S]*>short</);
  expect(svg).not.toContain(">line 20<");
});

test("every change that codecs make, and every problem that they have, is explained", async () => {
  const read = (file: string) => readFile(join(root, file), "utf8");
  const codecs = "src/airflow/codecs";
  const sources = await Promise.all(["value-codecs.ts", "secret-codecs.ts"].map((file) => read(`${codecs}/${file}`)));
  const changes = [...(await read(`${codecs}/changes.ts`)).matchAll(/^ {2}\| "([a-z0-9-]+)"/gm)];
  const problems = sources.flatMap((text) => [...text.matchAll(/kind: "([a-z-]+)", reason/g)]);
  const kinds = [...changes, ...problems].map((match) => match[1] ?? "");

  const page = await read("docs/reference/changed-values.md");
  const explained = [...page.matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map((match) => match[1] ?? "");

  expect(kinds.length).toBeGreaterThan(10);
  expect(explained.toSorted()).toEqual([...new Set(kinds)].toSorted());
});

test("links between pages lead somewhere", async () => {
  const pages: string[] = [];
  for await (const file of glob(["README.md", "docs/**/*.md"], { cwd: root })) pages.push(file);
  const broken: string[] = [];
  for (const file of pages) {
    const text = await readFile(join(root, file), "utf8");
    for (const [, link = ""] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      const isHere = /^[a-z]+:/.test(link) || existsSync(join(root, dirname(file), link));
      if (!isHere) broken.push(`${file}: ${link}`);
    }
  }

  expect(pages.length).toBeGreaterThan(10);
  expect(broken).toEqual([]);
});

test("files that the pages name are there", async () => {
  const named = await readFile(join(root, "docs/architecture.md"), "utf8");
  const files = [...named.matchAll(/`((?:domain|airflow|engine|runs|ports|databases|cli|test)\/[\w./-]+)`/g)].map(
    (match) => match[1] ?? "",
  );

  const missing = files.filter((file) => !existsSync(join(root, file)) && !existsSync(join(root, "src", file)));

  expect(files.length).toBeGreaterThan(20);
  expect(missing).toEqual([]);
});
