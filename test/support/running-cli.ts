import { type CliOptions, type CliResult, runCli } from "./run-cli.ts";

/** A command that runs in a process of its own. */
export interface RunningCli {
  readonly ended: Promise<CliResult>;
  /** Waits for a line of its progress that matches, of all that it has written and will write; fails when it ends without one. */
  until(line: RegExp): Promise<void>;
  send(signal: NodeJS.Signals): void;
}

/** Starts the command line; it can be sent a signal once it has written a line. */
export function startCli(args: readonly string[], options: CliOptions): RunningCli {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let kill: ((signal: NodeJS.Signals) => void) | undefined;
  let isOver = false;
  const wake = () => waiting.forEach((each) => each());
  const ended = runCli(args, {
    ...options,
    onStderrLine: (line, send) => {
      kill = send;
      lines.push(line);
      wake();
    },
  }).finally(() => {
    isOver = true;
    wake();
  });
  ended.catch(() => undefined);
  return {
    ended,
    send: (signal) => kill?.(signal),
    until: async (line) => {
      const found = Promise.withResolvers<void>();
      const look = () => {
        if (lines.some((each) => line.test(each))) found.resolve();
        else if (isOver) found.reject(new Error(`${args.join(" ")} ended without ${line}:\n${lines.join("\n")}`));
      };
      waiting.add(look);
      look();
      await found.promise.finally(() => waiting.delete(look));
    },
  };
}
