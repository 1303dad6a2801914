import { describe, expect, test } from "vitest";
import { type CronFields, parseCron } from "./cron-expression.ts";

function fieldsOf(expression: string): CronFields {
  const parsed = parseCron(expression);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.fields;
}

describe("a cron expression is read as croniter does:", () => {
  test("steps, with and without a range, in each field", () => {
    expect(fieldsOf("*/20 8-18/5 10/10 */4 1-5/2")).toEqual({
      minutes: [0, 20, 40],
      hours: [8, 13, 18],
      days: [10, 20, 30],
      months: [1, 5, 9],
      weekdays: [1, 3, 5],
      nthWeekdays: [],
      seconds: [0],
    });
  });

  test("a list that names everything is any", () => {
    expect(fieldsOf("*/1 0-23 1-31 jan-dec 0-6")).toMatchObject({
      minutes: null,
      hours: null,
      days: null,
      months: null,
      weekdays: null,
    });
  });

  test("Sunday is 0 and 7, and names may be in any case", () => {
    expect(fieldsOf("0 0 * * 7").weekdays).toEqual([0]);
    expect(fieldsOf("0 0 * FEB Fri-Sun").weekdays).toEqual([0, 5, 6]);
    expect(fieldsOf("0 0 * FEB Fri-Sun").months).toEqual([2]);
  });

  test("ranges go around the end", () => {
    expect(fieldsOf("0 22-2 * 11-2 6-1")).toMatchObject({
      hours: [0, 1, 2, 22, 23],
      months: [1, 2, 11, 12],
      weekdays: [0, 1, 6],
    });
  });

  test("the last day, nth weekdays and last weekdays", () => {
    expect(fieldsOf("0 0 15,L * *").days).toEqual([15, "L"]);
    expect(fieldsOf("0 0 * * 5#2,mon#1").nthWeekdays).toEqual(["5#2", "1#1"]);
    expect(fieldsOf("0 0 * * L5").nthWeekdays).toEqual(["5#L"]);
  });

  test("seconds come last", () => {
    expect(fieldsOf("0 3 * * * 15,45").seconds).toEqual([15, 45]);
  });

  test("presets", () => {
    expect(fieldsOf("@quarterly")).toMatchObject({ days: [1], months: [1, 4, 7, 10] });
  });

  test.for([
    "",
    "* * * *",
    "60 * * * *",
    "* 24 * * *",
    "* * 32 * *",
    "a * * * *",
    "*/0 * * * *",
    "1-2-3 * * * *",
    "H * * * *",
    "R * * * *",
    "* * * * * * 2025",
    "0 0 1 * 5#1",
    "0 0 * * 5#6",
    "-1 * * * *",
    "@reboot",
  ])("%s is not computed", (expression) => {
    expect(parseCron(expression).ok).toBe(false);
  });
});
