import { describe, expect, test } from "vitest";
import { formatMicros } from "../../src/airflow/timetables/micros.ts";
import { readSchedule } from "../../src/airflow/timetables/read-schedule.ts";
import { tickChain, ticksBetween } from "../../src/airflow/timetables/ticks.ts";
import { isNotComputed, timetableCases } from "./timetable-cases.ts";
import { judge, micros } from "./timetable-judge.ts";

interface Following {
  readonly absent?: true;
  readonly error?: string;
  readonly data: unknown;
  readonly ticks: readonly string[];
}

describe("schedules of a genuine Airflow 1.10.15", async () => {
  const release = "1.10.15";
  const cases = timetableCases();
  const answers = await judge<Following>("timetables_following.py", { release }, cases);

  test("have the ticks that Airflow itself goes through", () => {
    const failed = answers.flatMap(({ error }, at) => (error === undefined ? [] : [`${cases[at]?.name}: ${error}`]));
    const compared = cases.flatMap((one, at) => {
      const answer = answers[at];
      const schedule = readSchedule(answer?.data, { release });
      if (answer === undefined || schedule === undefined || isNotComputed(one)) return [];
      const chain = tickChain(schedule.timetable, release);
      const ticks = answer.ticks.map((tick) => formatMicros(micros(tick)));
      const [first, last] = [ticks[0], ticks.at(-1)];
      if (first === undefined || last === undefined) return [];
      const ours = chain.ok ? [...ticksBetween(chain, micros(first), micros(last))].map(formatMicros) : chain.reason;
      return [{ case: one.name, theirs: ticks.slice(1), ours }];
    });
    const wrong = compared.filter(({ theirs, ours }) => JSON.stringify(theirs) !== JSON.stringify(ours));

    expect(failed).toEqual([]);
    expect(compared.length).toBeGreaterThan(300);
    expect({ count: wrong.length, examples: wrong.slice(0, 3) }).toEqual({ count: 0, examples: [] });
  });
});
