import type { View } from "../command.ts";
import type { ReadSettings } from "../config/load.ts";
import type { Setting } from "../config/settings.ts";
import { showFinding } from "./findings.ts";
import { printable, table } from "./text.ts";

const NONE = "–";

function origin({ origin: from, from: place, references }: Setting): string {
  const own = place ?? from;
  const read = references.map((each) => (each.isMissing ? `✗ ${each.from}` : `${each.text} from ${each.from}`));
  return printable([own, ...read].join(", "));
}

/** Settings that are there for later are shown once somebody uses them. */
function isShown(setting: Setting): boolean {
  return setting.origin !== "not set" || !/\.(api|limits)\./.test(setting.name);
}

/** A row per setting, then what to look at. */
export const configShowView: View<ReadSettings> = {
  human: ({ origins, findings }, { width }) => {
    const rows = origins
      .filter(isShown)
      .map((setting) => [setting.name, printable(setting.shown) || NONE, origin(setting)]);
    const settings = table([{ title: "setting" }, { title: "value" }, { title: "from" }], rows);
    return [settings, ...findings.map((finding) => showFinding(finding, width))].join("\n\n");
  },
  json: ({ origins, findings }) => ({ settings: origins, findings }),
};
