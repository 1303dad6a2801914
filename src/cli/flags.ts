import { Option } from "commander";
import { z } from "zod";

/** `acceptLoss` as `accept-loss`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

interface Shown {
  readonly short?: string;
  readonly value?: string;
}

function inner(type: z.ZodType): z.ZodType {
  if (type instanceof z.ZodOptional || type instanceof z.ZodDefault) return inner(type.unwrap() as z.ZodType);
  return type;
}

/** The flag of one option: a boolean takes no value, an array may be repeated; its default is told by the help. */
export function flagOf(name: string, type: z.ZodType): Option {
  const { short, value } = (z.globalRegistry.get(type) ?? {}) as Shown;
  const kind = inner(type);
  const prefix = short === undefined ? "" : `-${short}, `;
  const placeholder = kind instanceof z.ZodBoolean ? "" : ` <${value ?? name}>`;
  const option = new Option(`${prefix}--${kebab(name)}${placeholder}`, type.description ?? "");
  if (kind instanceof z.ZodArray) {
    return option.argParser((given: string, before: readonly string[] | undefined) => [...(before ?? []), given]);
  }
  return option;
}
