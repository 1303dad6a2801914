import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { decryptToken, encryptToken, parseFernetKeys } from "../../src/airflow/codecs/index.ts";
import { pickleToJson } from "../../src/airflow/codecs/pickle-json.ts";
import { jsonToPickle } from "../../src/airflow/codecs/pickle-writer.ts";
import { Secret } from "../../src/domain/secret.ts";
import { type AirflowInstall, ensureAirflow } from "./support/install.ts";

interface Case {
  readonly name: string;
  readonly pickle: string;
  readonly plain: string | null;
  readonly exact: boolean | null;
}

const RELEASES = ["2.10.5", "3.3.2"];

/** The interpreters of genuine Airflows, and a home folder for them. */
const installs = new Map<string, AirflowInstall>();
for (const release of RELEASES) installs.set(release, await ensureAirflow(release));
const home = mkdtempSync(join(tmpdir(), "crosswind-codecs-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

function pythonOf(release: string): string {
  const install = installs.get(release);
  if (install === undefined) throw new Error(`Airflow ${release} was not asked for`);
  return install.python;
}

function runPython(release: string, script: string, input: string): string {
  const path = join(import.meta.dirname, "python", script);
  return execFileSync(pythonOf(release), [path], {
    input,
    encoding: "utf8",
    maxBuffer: 2 ** 30,
    env: { ...process.env, TZ: "UTC", PYTHONWARNINGS: "ignore", AIRFLOW_HOME: home },
  });
}

function corpusOf(release: string): readonly Case[] {
  const lines = runPython(release, "codecs_corpus.py", "").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Case);
}

function judge(release: string, cases: readonly object[]): readonly string[] {
  const input = cases.map((one) => JSON.stringify(one)).join("\n");
  return runPython(release, "codecs_judge.py", `${input}\n`)
    .trimEnd()
    .split("\n")
    .map((line) => String(JSON.parse(line)));
}

describe.for(RELEASES)("pickles made by the Python of Airflow %s", (release) => {
  const corpus = corpusOf(release);

  test("become the JSON that Python itself makes of them", () => {
    const stated = corpus.filter((one) => one.plain !== null);

    const wrong = stated.flatMap((one) => {
      const result = pickleToJson(Buffer.from(one.pickle, "base64"), { flavour: "plain" });
      return result.ok && result.json === one.plain ? [] : [{ name: one.name, expected: one.plain, result }];
    });

    expect(stated.length).toBeGreaterThan(1000);
    expect(wrong).toEqual([]);
  });

  test("become XComs that Airflow 3.3.2 reads as equal values", () => {
    const exact = corpus.filter((one) => one.exact === true);
    const converted = exact.map((one) => ({
      one,
      result: pickleToJson(Buffer.from(one.pickle, "base64"), { flavour: "xcom" }),
    }));

    const verdicts = judge(
      "3.3.2",
      converted.map(({ one, result }) => ({ kind: "xcom", pickle: one.pickle, json: result.ok ? result.json : "" })),
    );

    expect(exact.length).toBeGreaterThan(300);
    expect(verdicts.flatMap((verdict, at) => (verdict === "ok" ? [] : [{ name: exact[at]?.name, verdict }]))).toEqual(
      [],
    );
  });

  test("are never misread when they are cut short", () => {
    const small = corpus.map((one) => Buffer.from(one.pickle, "base64")).filter((bytes) => bytes.length < 400);

    const accepted = small.filter(
      (bytes, at) => pickleToJson(bytes.subarray(0, at % bytes.length), { flavour: "plain" }).ok,
    );

    expect(accepted).toEqual([]);
  });
});

describe.for(RELEASES)("the Python of Airflow %s", (release) => {
  test("loads our pickles as what its own JSON reader gives", () => {
    const values = fc.sample(fc.json({ depthSize: "large" }), 400);
    const special = [
      "{}",
      "[]",
      "1e16",
      "-0",
      "1.0",
      "[NaN,Infinity,-Infinity]",
      '"\\ud800 \\u0000"',
      "9".repeat(4000),
    ];
    const cases = [...values, ...special].flatMap((json) =>
      ([4, 5] as const).map((protocol) => {
        const result = jsonToPickle(Buffer.from(json), protocol);
        return { kind: "pickle", json, pickle: result.ok ? result.bytes.toString("base64") : "" };
      }),
    );

    const verdicts = judge(release, cases);

    expect(verdicts.flatMap((verdict, at) => (verdict === "ok" ? [] : [{ json: cases[at]?.json, verdict }]))).toEqual(
      [],
    );
  });

  test("decrypts our tokens, and we decrypt its tokens, with the keys of a list", () => {
    const [old, fresh] = [
      "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
      "3wUBa5gP83LGuu4LpIV1TsA_5jHNEqUSQwPwHjKEUAE=",
    ];
    const both = parseFernetKeys(new Secret(`${fresh},${old}`));
    const plains = ["", "a", "x".repeat(1000), "püß\0"].map((text) => Buffer.from(text));
    const ours = [
      ...plains.map((plain) => encryptToken(both, plain)),
      ...plains.map((plain) => encryptToken(parseFernetKeys(new Secret(old ?? "")), plain)),
    ];

    const task = { keys: `${fresh},${old}`, tokens: ours, plains: plains.map((plain) => plain.toString("base64")) };
    const answer = JSON.parse(runPython(release, "codecs_fernet.py", JSON.stringify(task))) as {
      readonly decrypted: readonly string[];
      readonly tokens: readonly string[];
    };

    expect(answer.decrypted).toEqual([...plains, ...plains].map((plain) => plain.toString("base64")));
    expect(answer.tokens.map((token) => decryptToken(both, token)?.plain.toString())).toEqual(plains.map(String));
  });
});
