import { afterAll, beforeAll, describe } from "vitest";
import { whyNoPackages } from "./debian-packages.ts";
import { type MariadbServer, mariadbServer } from "./mariadb.ts";
import { newestServer } from "./newest-servers.ts";

interface TestedServer {
  readonly title: string;
  readonly open: () => Promise<MariadbServer>;
  /** Why it can not be tried on this machine. */
  readonly missing?: string | undefined;
  /** Another one of the same product is tried, too. */
  readonly isSecond?: true;
}

const missing = await whyNoPackages();

/** The servers that sources and targets are tried on. */
const SERVERS: readonly TestedServer[] = [
  { title: "MariaDB of this machine", open: mariadbServer },
  { title: "newest MySQL", open: () => newestServer("MySQL"), missing },
  { title: "newest MariaDB", open: () => newestServer("MariaDB"), missing, isSecond: true },
];

/** `MYSQL_SERVERS=MySQL`: only those with that in their title; `all`: each server for every test. Default: as each test says. */
const wanted = process.env["MYSQL_SERVERS"] ?? "";

export interface OnServers {
  /** `product`: one of MariaDB and one of MySQL, for what differs between these alone. Default: each. */
  readonly one?: "product";
}

function serversFor({ one }: OnServers): readonly TestedServer[] {
  if (wanted === "all") return SERVERS;
  return SERVERS.filter(({ title, isSecond }) => title.includes(wanted) && (one === undefined || isSecond !== true));
}

/** Declares the same tests on each server; `server` gives it while a test runs. One that can not be had is named, and fails CI. */
export function onEachServer(declare: (server: () => MariadbServer) => void, options: OnServers = {}): void {
  for (const { title, open, missing: why } of serversFor(options)) {
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
