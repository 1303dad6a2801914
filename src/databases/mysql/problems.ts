import { defineProblem } from "../../domain/problem.ts";

export const mysqlTooOld = defineProblem<{ where: string; server: string }>({
  code: "MYSQL_TOO_OLD",
  what: ({ where, server }) =>
    `the server at ${where} is ${server}; MySQL 5.7 and MariaDB 10.4 are the oldest that can be read.`,
  safe: () => "nothing was written on either side.",
  next: () => ["upgrade the server, or load a dump of it into a newer one and name that as the source"],
  retry: "after-fix",
});

const TLS_NEXT = [
  "add ?ssl-ca=PATH to the URL of the database: the certificate of the authority that signed the server's (your provider's bundle, or ca.pem in the server's data folder)",
  "the host of the URL must be one of the certificate's names; where it can not be, ssl-mode=VERIFY_CA looks at the authority alone",
  "ssl-mode=REQUIRED encrypts without looking at the certificate: whoever is between both can then read along",
];

export const tlsRefused = defineProblem<{ where: string; reason: string }>({
  code: "DATABASE_TLS_REFUSED",
  what: ({ where, reason }) => `no encrypted connection to the database at ${where}: ${reason}.`,
  safe: () => "nothing was written on either side.",
  next: () => TLS_NEXT,
  retry: "after-fix",
});

export const tlsNeedsName = defineProblem<{ where: string; host: string }>({
  code: "DATABASE_TLS_NEEDS_NAME",
  what: ({ where, host }) =>
    `the certificate of the server at ${where} can not be verified whole, because ${host} is an address and no name.`,
  safe: () => "nothing was written on either side.",
  next: () => ["name the host in the URL as its certificate does", ...TLS_NEXT.slice(1)],
  retry: "after-fix",
});
