import { proveCutover } from "./support/cutover-suite.ts";

// The pair with the most differences, and plain DAGs. All pairs, with all kinds: `npm run matrix -- --cutover`.
proveCutover({ from: "2.10.5", to: "3.3.2", files: ["plain"] });
