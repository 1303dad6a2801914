import { describe, expect, test } from "vitest";
import { Secret } from "../../domain/secret.ts";
import { isMysqlUrl, parseMysqlUrl } from "./url.ts";

describe("URLs of MySQL and MariaDB", () => {
  test.for([
    ["mysql://u:p%40w@h/d", { host: "h", port: 3306, user: "u", password: "p@w", database: "d", tls: "on-demand" }],
    ["mysql+mysqldb://u@h:80/d?charset=utf8mb4", { port: 80, user: "u", password: "", database: "d" }],
    ["mariadb+mariadbconnector://[::1]:3307/d", { host: "::1", port: 3307, user: "" }],
    ["mysql:///d?unix_socket=/run/mysqld/s", { host: "localhost", socketPath: "/run/mysqld/s", database: "d" }],
    ["mysql://u@h/d?ssl_ca=/ca.pem", { tls: "verify-identity", tlsFiles: { ca: "/ca.pem" } }],
    ["mysql://u@h/d?ssl-cert=/c&ssl-key=/k", { tls: "verify-identity", tlsFiles: { cert: "/c", key: "/k" } }],
    ["mysql://u@h/d?ssl_ca=/ca.pem&ssl_check_hostname=false", { tls: "verify-ca", tlsFiles: { ca: "/ca.pem" } }],
    ["mysql://u@h/d?ssl_ca=/ca.pem&ssl-mode=VERIFY_CA", { tls: "verify-ca" }],
    ["mysql://u@h/d?ssl-mode=required", { tls: "required", tlsFiles: {} }],
    ["mysql://u@h/d?ssl-mode=DISABLED", { tls: "disabled" }],
    ["mysql://u@h/d?ssl-mode=preferred", { tls: "on-demand" }],
    ["mysql://u@h/d?ssl_mode=VERIFY_IDENTITY", { tls: "verify-identity" }],
  ] as const)("%s", ([url, expected]) => {
    expect(parseMysqlUrl(new Secret(url))).toMatchObject(expected);
  });

  test("the label holds no password", () => {
    expect(parseMysqlUrl(new Secret("mysql+pymysql://u:secret@h/d")).label).toBe("mysql://u@h:3306/d");
  });

  test.for([
    ["mysql://h/d", true],
    ["mariadb+pymysql://h/d", true],
    ["postgresql://h/d", false],
    ["mysqlx://h/d", false],
  ] as const)("%s: %s", ([url, expected]) => {
    expect(isMysqlUrl(new Secret(url))).toBe(expected);
  });

  test.for(["mysql://u:1/2secret@h/d", "mysql://u:secret@h", "mysql://u:%zz@h/d", "mysql://u:sec ret"])(
    "refuses %s without repeating it",
    (url) => {
      const parse = () => parseMysqlUrl(new Secret(url));

      expect(parse).toThrow(/DATABASE_URL_INVALID/);
      expect(parse).not.toThrow(/secret|zz/);
    },
  );

  test.for(["ssl-mode=VERIFY", "ssl=true", "ssl_verify_cert=true", "tls=yes"])(
    "refuses %s: what is meant for TLS is never passed over",
    (parameter) => {
      expect(() => parseMysqlUrl(new Secret(`mysql://u@h/d?${parameter}`))).toThrow(/DATABASE_URL_INVALID/);
    },
  );
});
