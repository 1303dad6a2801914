import { defineProblem } from "../../domain/problem.ts";

/** A Fernet key that cannot be used. Its facts hold the position and the reason, never the key. */
export const fernetKeyInvalid = defineProblem<{ position: number; count: number; reason: string }>({
  code: "FERNET_KEY_INVALID",
  what: ({ position, count, reason }) => `key ${position} of ${count} in the Fernet key list is not usable: ${reason}.`,
  safe: () => "Nothing was read or written with these keys.",
  next: () => [
    "Give the value of [core] fernet_key of that Airflow (or AIRFLOW__CORE__FERNET_KEY) as it stands, several keys separated by commas.",
    "A key is 44 characters of URL-safe base64 that end with '='.",
  ],
  retry: "after-fix",
});
