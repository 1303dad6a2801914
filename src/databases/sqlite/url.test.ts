import { expect, test } from "vitest";
import { Secret } from "../../domain/secret.ts";
import { isSqliteUrl, sqlitePath } from "./url.ts";

test.for([
  ["sqlite:////opt/airflow/airflow.db", "/opt/airflow/airflow.db"],
  ["sqlite:///airflow.db", "/home/airflow.db"],
  ["sqlite:///data/a b.db?check_same_thread=false", "/home/data/a b.db"],
  ["sqlite+pysqlite:////x.db", "/x.db"],
])("%s is the file %s", ([url = "", path]) => {
  expect(isSqliteUrl(new Secret(url))).toBe(true);
  expect(sqlitePath(new Secret(url), "/home")).toBe(path);
});

test.for(["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/x.db"])("%s names no file", (url) => {
  expect(() => sqlitePath(new Secret(url), "/home")).toThrow(/DATABASE_URL_INVALID/);
});
