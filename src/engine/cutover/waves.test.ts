import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Tie } from "./ties.ts";
import { chainsOf, type DagRisk, planWaves, type Wave } from "./waves.ts";

function aDag(dagId: string, differences: Partial<DagRisk> = {}): DagRisk {
  return { dagId, isPaused: false, periodSeconds: 86_400, ended: 100, failed: 0, label: null, ...differences };
}

function aTie(from: string, to: string): Tie {
  return { from, to, kind: "starts", by: "go" };
}

function idsOf(waves: readonly Wave[]): readonly (readonly string[])[] {
  return waves.map(({ dags }) => dags.map(({ dagId }) => dagId));
}

test("orders by the owner's word, then paused, rare, sound and unfollowed DAGs first", () => {
  const dags = [
    aDag("followed"),
    aDag("minutely", { periodSeconds: 60 }),
    aDag("failing", { failed: 30 }),
    aDag("late", { label: "late", isPaused: true }),
    aDag("early", { label: "early", periodSeconds: 60 }),
    aDag("paused", { isPaused: true, periodSeconds: 60 }),
    aDag("weekly", { periodSeconds: 7 * 86_400 }),
    aDag("unscheduled", { periodSeconds: null }),
    aDag("daily"),
  ];

  const waves = planWaves({ dags, ties: [aTie("followed", "minutely")], size: 1 });

  expect(idsOf(waves)).toEqual([
    ["early"],
    ["paused"],
    ["unscheduled"],
    ["weekly"],
    ["daily"],
    ["failing"],
    ["followed", "minutely"],
    ["late"],
  ]);
});

test("says why a DAG is in its wave, and what ties it to others", () => {
  const [wave] = planWaves({
    dags: [aDag("a", { isPaused: true, failed: 3 }), aDag("b", { periodSeconds: 300, ended: 0 })],
    ties: [aTie("a", "b")],
    size: 10,
  });

  expect(wave?.dags).toEqual([
    { dagId: "a", why: ["paused", "every day", "3 of 100 runs failed", "1 DAG follows", "a starts b (go)"] },
    { dagId: "b", why: ["every 5 minutes", "no run has ended", "a starts b (go)"] },
  ]);
});

test("ties nothing through DAGs that are not moved", () => {
  const waves = planWaves({ dags: [aDag("a"), aDag("b")], ties: [aTie("a", "gone"), aTie("gone", "b")], size: 1 });

  expect(idsOf(waves)).toEqual([["a"], ["b"]]);
});

const ids = fc.integer({ min: 0, max: 30 }).map((number) => `dag_${number}`);
const graphs = fc.record({
  dags: fc.uniqueArray(ids, { maxLength: 25 }),
  ties: fc.array(fc.tuple(ids, ids), { maxLength: 20 }),
  size: fc.integer({ min: 1, max: 6 }),
});

test("puts every DAG into exactly one wave, splits no chain, and gives the same waves for another order", () => {
  fc.assert(
    fc.property(graphs, ({ dags, ties, size }) => {
      const input = { dags: dags.map((id) => aDag(id)), ties: ties.map(([from, to]) => aTie(from, to)), size };

      const waves = planWaves(input);

      expect(idsOf(waves).flat().sort()).toEqual([...dags].sort());
      const waveOf = new Map(waves.flatMap(({ name, dags: members }) => members.map(({ dagId }) => [dagId, name])));
      for (const chain of chainsOf(dags, input.ties)) expect(new Set(chain.map((id) => waveOf.get(id))).size).toBe(1);
      expect(
        waves.every(
          (wave) =>
            wave.dags.length <= size || chainsOf(dags, input.ties).some((chain) => chain.length === wave.dags.length),
        ),
      ).toBe(true);
      expect(idsOf(planWaves({ ...input, dags: input.dags.toReversed() }))).toEqual(idsOf(waves));
    }),
  );
});
