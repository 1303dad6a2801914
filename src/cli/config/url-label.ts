/** Scheme, user, password, host, port, path, query; an `@` anywhere else means that a password was not percent-encoded. */
const URL_FORM =
  /^([a-z][a-z0-9]*)(?:\+[a-z0-9_]+)?:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?([^@:/?#]*|\[[^@\]]*\])(?::(\d+))?(\/[^@?#]*)?(?:\?([^@#]*))?$/i;

/** What of a database URL is safe to print: `user@host:port/database`; for a text of another form only that it is no URL. */
export function urlLabel(url: string): string {
  const match = URL_FORM.exec(url.trim());
  if (match === null) return "(not readable as a URL)";
  const [, scheme, user, , host, port, path] = match;
  const login = user === undefined || user === "" ? "" : `${user}@`;
  return `${scheme}://${login}${host}${port === undefined ? "" : `:${port}`}${path ?? ""}`;
}

/** True when a URL holds a password of its own, apart from its references. */
export function hasPassword(url: string, references: RegExp): boolean {
  const own = url.replaceAll(references, "");
  return /^[^/]*:\/\/[^/@]*:[^@]+@/.test(own) || /[?&](password|sslpassword)=[^&]+/i.test(own);
}
