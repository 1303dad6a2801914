/** A single thing said of a problem, shown by its name: every way of printing it gives `‹name›`; it is also a list of one such thing. */
function placeholder(name: string): unknown {
  const text = `‹${name}›`;
  const item = name.replace(/s$/, "");
  return new Proxy(() => text, {
    get: (_target, property) => {
      if (property === Symbol.toPrimitive || property === "toString") return () => text;
      if (property === "length") return placeholder("number");
      if (property === "map") return (each: (item: unknown) => unknown) => [each(placeholder(item))];
      if (property === "join" || property === "toLocaleString") return () => text;
      const own: unknown = typeof property === "string" ? Reflect.get(Object(text), property) : undefined;
      if (typeof own === "function") return own.bind(text) as unknown;
      return placeholder(String(property));
    },
  });
}

/** Facts that have every name: a problem told with them shows where its names and numbers go. */
export function sampleFacts(): Readonly<Record<string, unknown>> {
  return new Proxy({}, { get: (_target, property) => placeholder(String(property)) });
}
