import type { z } from "zod";
import type { Finding } from "../domain/finding.ts";

/** Exit codes of every command: 0 done, 1 problem, 2 wrong usage, 3 findings block or verify found differences, 70 bug. */
export const EXIT = { done: 0, problem: 1, usage: 2, blocked: 3, bug: 70 } as const;

/** The world outside the process, given to commands so that they read nothing of it by themselves. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly now: () => Date;
  readonly user: string;
  /** This machine's name. */
  readonly host: string;
  readonly isTerminal: boolean;
  /** Columns of the terminal; 100 elsewhere. */
  readonly width: number;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** What a command gets besides its own options. */
export interface CommandContext {
  readonly world: World;
  /** `-c FILE`, absolute. */
  readonly configFile: string;
  readonly json: boolean;
  /** Aborted at the first Ctrl-C: finish what is under way, then stop. */
  readonly signal: AbortSignal;
}

/** How a result is shown: the same value for people and for programs. */
export interface View<R> {
  readonly human: (result: R, world: Pick<World, "isTerminal" | "width">) => string;
  readonly json: (result: R) => unknown;
}

/** What a command gives back. `exitCode` defaults to 0. */
export interface CommandResult<R> {
  readonly value: R;
  readonly exitCode?: number;
}

/** One positional argument. */
export interface Argument {
  readonly name: string;
  readonly summary: string;
  readonly isOptional?: boolean;
}

/**
 * A command as data. `options` drives flags, help and the reference page: each key is a flag in kebab case, its description the help text;
 * booleans take no value, arrays may be repeated.
 */
export interface Command<O extends z.ZodObject = z.ZodObject, R = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly arguments?: readonly Argument[];
  readonly options: O;
  readonly examples: readonly string[];
  readonly run: (context: CommandContext, options: z.output<O>, args: readonly string[]) => Promise<CommandResult<R>>;
  readonly view: View<R>;
}

/** Declares a command; only for its types. */
export function defineCommand<O extends z.ZodObject, R>(command: Command<O, R>): Command<O, R> {
  return command;
}

/** The exit code that findings ask for. */
export function exitCodeOf(findings: readonly Finding[]): number {
  return findings.some((finding) => finding.severity === "blocker") ? EXIT.blocked : EXIT.done;
}
