import { expect, test } from "vitest";
import { REFERENCE } from "./references.ts";
import { hasPassword, urlLabel } from "./url-label.ts";

test.for([
  ["postgresql+psycopg2://u:secret@h:5432/db?sslmode=require", "postgresql://u@h:5432/db"],
  ["mysql://u:secret@h/db", "mysql://u@h/db"],
  ["postgresql:///db?host=/run/postgresql&password=secret", "postgresql:///db"],
  ["postgresql://u:secret@[::1]:5432/db", "postgresql://u@[::1]:5432/db"],
  ["sqlite:////opt/airflow/airflow.db", "sqlite:////opt/airflow/airflow.db"],
])("shows %s without its password", ([url, label]) => {
  expect(urlLabel(url ?? "")).toBe(label);
});

test.for([
  "postgresql://u:12/secret@h/db",
  "postgresql://u:12#secret@h/db",
  "postgresql://u:12?secret@h/db",
  "postgresql://u:se@cret@h/db",
  "secret",
])("shows nothing of a URL whose password is not percent-encoded: %s", (url) => {
  expect(urlLabel(url)).toBe("(not readable as a URL)");
});

test.for([
  ["postgresql://u:secret@h/db", true],
  ["postgresql://u:se/cret@h/db", true],
  ["postgresql://h/db?password=secret", true],
  ["postgresql://u:${env:PW}@h:5432/db", false],
  ["postgresql://u@h:5432/db", false],
  ["${env:URL}", false],
] as const)("tells whether %s holds a password: %s", ([url, expected]) => {
  expect(hasPassword(url, REFERENCE)).toBe(expected);
});
