import { afterAll, beforeAll, describe } from "vitest";
import { whyNoPackages } from "./debian-packages.ts";
import { type MariadbServer, mariadbServer } from "./mariadb.ts";
import { newestServer } from "./newest-servers.ts";

interface TestedServer {
  readonly title: string;
  readonly open: () => Promise<MariadbServer>;
  /** Why it can not be tried on this machine. */
  readonly missing?: string | undefined;
}

const missing = await whyNoPackages();

/** The servers that sources and targets are tried on. */
const SERVERS: readonly TestedServer[] = [
  { title: "MariaDB of this machine", open: mariadbServer },
  { title: "newest MySQL", open: () => newestServer("MySQL"), missing },
  { title: "newest MariaDB", open: () => newestServer("MariaDB"), missing },
];

/** `MYSQL_SERVERS=MySQL`: only those with that in their title. Default: all. */
const wanted = process.env["MYSQL_SERVERS"] ?? "";

/** Declares the same tests on each server; `server` gives it while a test runs. One that can not be had is named, and fails CI. */
export function onEachServer(declare: (server: () => MariadbServer) => void): void {
  for (const { title, open, missing: why } of SERVERS.filter((each) => each.title.includes(wanted))) {
    describe.skipIf(why !== undefined)(why === undefined ? title : `NOT RUN: ${title}: ${why}`, () => {
      let opened: MariadbServer;
      beforeAll(async () => {
        opened = await open();
      }, 300_000);
      afterAll(() => opened?.[Symbol.asyncDispose]());
      declare(() => opened);
    });
  }
}
