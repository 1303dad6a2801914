import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** A certificate with its key: paths of PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** An authority of a test's own; its files go at the end of the scope. */
export interface Authority extends AsyncDisposable {
  /** Path of its certificate. */
  readonly ca: string;
  /** Signs a certificate for a host name, or for a user. */
  sign(name: string): Promise<Certificate>;
}

async function openssl(folder: string, args: readonly string[]): Promise<void> {
  await promisify(execFile)("openssl", [...args], { cwd: folder });
}

/** Made with the program `openssl`, which Node has no replacement for: it makes keys, and no certificates. */
export async function anAuthority(): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), "crosswind-authority-"));
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  await openssl(folder, ["req", "-x509", ...key, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"]);
  return {
    ca: join(folder, "ca.pem"),
    sign: async (name) => {
      await writeFile(join(folder, `${name}.ext`), `subjectAltName=DNS:${name}\n`);
      await openssl(folder, [
        "req",
        ...key.slice(0, -2),
        "-subj",
        `/CN=${name}`,
        "-keyout",
        `${name}.key`,
        "-out",
        `${name}.csr`,
      ]);
      const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", `${name}.ext`];
      await openssl(folder, ["x509", "-req", "-in", `${name}.csr`, ...signed, "-out", `${name}.pem`]);
      return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
