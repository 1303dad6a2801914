import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { openMysqlTarget } from "../../../src/databases/mysql/target.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { rawSource } from "../../support/a-landing.ts";
import { type Authority, anAuthority } from "../../support/certificates.ts";
import { whyNoPackages } from "../../support/debian-packages.ts";
import { aMariadb, type TestMariadb } from "../../support/mariadb.ts";
import { newestServer } from "../../support/newest-servers.ts";

vi.setConfig({ hookTimeout: 300_000 });

const missing = await whyNoPackages();

/** What stops a look at the source, as its code and its reason; `ok` and what is said of its encryption where nothing does. */
async function looked(url: string): Promise<string> {
  try {
    const checks = await rawSource(url).check();
    return `ok ${checks.find(({ id }) => id === "tls")?.detail}`;
  } catch (error) {
    const { code, facts, message } = error as { code?: string; facts?: { reason?: string }; message: string };
    return `${code}: ${facts?.reason ?? message}`;
  }
}

for (const product of ["MySQL", "MariaDB"] as const) {
  describe.skipIf(missing !== undefined)(`${product}, which takes encrypted connections alone ${missing ?? ""}`, () => {
    const resources = new AsyncDisposableStack();
    let authority: Authority;
    let other: Authority;
    let database: TestMariadb;
    beforeAll(async () => {
      [authority, other] = [resources.use(await anAuthority()), resources.use(await anAuthority())];
      const { cert, key } = await authority.sign("localhost");
      const settings = [`--ssl-ca=${authority.ca}`, `--ssl-cert=${cert}`, `--ssl-key=${key}`];
      const server = resources.use(await newestServer(product, { settings }));
      database = resources.use(await aMariadb(server));
      // Connections that are there already, the test's own, stay.
      await database.query("set global require_secure_transport = on");
    });
    afterAll(() => resources.disposeAsync());

    const urlFor = (host: string, parameters: string) =>
      `${database.url.replace("127.0.0.1", host)}${parameters === "" ? "" : `?${parameters}`}`;

    test("the authority's certificate is enough, in either spelling, for reading and for writing", async () => {
      const encrypted = /^ok TLS_\w+, certificate verified$/;
      expect(await looked(urlFor("localhost", `ssl_ca=${authority.ca}`))).toMatch(encrypted);
      expect(await looked(urlFor("localhost", `ssl-ca=${authority.ca}&ssl-mode=VERIFY_IDENTITY`))).toMatch(encrypted);
      const url = new Secret(urlFor("localhost", `ssl-ca=${authority.ca}`));
      await using target = openMysqlTarget({ url, name: "target" });
      expect((await target.tables()).length).toBeGreaterThan(20);
    });

    test("a server that no known authority vouches for is refused, also where the URL says nothing of TLS", async () => {
      const refused = /^DATABASE_TLS_REFUSED: .*(self-signed|unable to (verify|get))/;
      expect(await looked(urlFor("localhost", ""))).toMatch(refused);
      expect(await looked(urlFor("localhost", "ssl-mode=VERIFY_IDENTITY"))).toMatch(refused);
      expect(await looked(urlFor("localhost", "ssl-mode=VERIFY_CA"))).toMatch(refused);
      expect(await looked(urlFor("localhost", `ssl-ca=${other.ca}`))).toMatch(refused);
      expect(await looked(urlFor("localhost", `ssl-ca=${other.ca}&ssl-mode=VERIFY_CA`))).toMatch(refused);
    });

    test("without encryption the server refuses, and it is said how to encrypt", async () => {
      expect(await looked(urlFor("localhost", "ssl-mode=DISABLED"))).toMatch(
        /^DATABASE_TLS_REFUSED: .*insecure transport/i,
      );
    });

    test("an address has no name that a certificate could be verified by: the authority alone, or nothing at all", async () => {
      expect(await looked(urlFor("127.0.0.1", `ssl-ca=${authority.ca}`))).toMatch(/^DATABASE_TLS_NEEDS_NAME/);
      const authorityAlone = `ssl-ca=${authority.ca}&ssl_check_hostname=false`;
      expect(await looked(urlFor("127.0.0.1", authorityAlone))).toMatch(
        /^ok TLS_\w+, certificate verified, but not its names$/,
      );
      expect(await looked(urlFor("127.0.0.1", "ssl-mode=REQUIRED"))).toMatch(/^ok TLS_\w+, certificate not looked at$/);
    });

    test("a file that is no certificate, or not there, is named before anything is sent", async () => {
      expect(await looked(urlFor("localhost", `ssl-ca=${authority.ca}.missing`))).toMatch(/^DATABASE_\w+: .*ENOENT/);
    });
  });

  describe.skipIf(missing !== undefined)(`${product} with another host's certificate ${missing ?? ""}`, () => {
    test("is refused by its name, and taken where only its authority counts", async () => {
      await using authority = await anAuthority();
      const { cert, key } = await authority.sign("db.example");
      const settings = [`--ssl-ca=${authority.ca}`, `--ssl-cert=${cert}`, `--ssl-key=${key}`];
      await using server = await newestServer(product, { settings });
      await using database = await aMariadb(server);
      const url = database.url.replace("127.0.0.1", "localhost");

      expect(await looked(`${url}?ssl-ca=${authority.ca}`)).toMatch(/^DATABASE_TLS_REFUSED: .*db\.example/);
      expect(await looked(`${url}?ssl-ca=${authority.ca}&ssl-mode=VERIFY_CA`)).toMatch(/but not its names$/);
    }, 300_000);

    test("a user of whom a certificate is demanded brings his own", async () => {
      await using authority = await anAuthority();
      const { cert, key } = await authority.sign("localhost");
      const user = await authority.sign("somebody");
      const settings = [`--ssl-ca=${authority.ca}`, `--ssl-cert=${cert}`, `--ssl-key=${key}`];
      await using server = await newestServer(product, { settings });
      await using database = await aMariadb(server);
      await database.query(`alter user '${database.name}'@'%' require x509`);
      const url = `${database.url.replace("127.0.0.1", "localhost")}?ssl-ca=${authority.ca}`;

      expect(await looked(url)).toMatch(/^DATABASE_REFUSED/);
      expect(await looked(`${url}&ssl-cert=${user.cert}&ssl-key=${user.key}`)).toMatch(/^ok TLS_/);
    }, 300_000);
  });
}
