/** What is wrong with one object, why, and what to look at next. */

import { safeText } from "../../format";
import { type JsonObject, mapField } from "./fields";

export interface Cause {
  readonly health: "failed" | "warning";
  /** What is wrong, in a few words. It can contain names from telemetry. */
  readonly title: string;
  /** What that means, and what to do. */
  readonly advice?: string;
  /** A command that shows more. It contains only names that a shell takes as they are. */
  readonly command?: string;
}

// As the API judges health.
const FAILED_SEVERITIES: ReadonlySet<string> = new Set(["critical", "emergency"]);
const HARMLESS_SEVERITIES: ReadonlySet<string> = new Set(["none", "info"]);

/** The alerts that fire for an object. */
export function findAlertCauses(object: JsonObject): Cause[] {
  return mapField(object, "alerts")
    .filter(([, severity]) => !HARMLESS_SEVERITIES.has(String(severity)))
    .map(([name, severity]) => ({
      health: FAILED_SEVERITIES.has(String(severity)) ? "failed" : "warning",
      title: `Alert ${safeText(name, 100)} fires${severity ? ` (${safeText(String(severity), 40)})` : ""}`,
    }));
}

export function isFailed({ health }: Cause): boolean {
  return health === "failed";
}

/** The worst health among causes; `null` if nothing is wrong. */
export function worstHealth(causes: readonly Cause[]): "failed" | "warning" | null {
  if (causes.some(isFailed)) return "failed";
  return causes.length > 0 ? "warning" : null;
}

// Names from telemetry can contain anything: a command has only those that a shell does not interpret.
const PLAIN_WORD = /^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/;

/** A command for these names; none if one of them is not a plain word. */
export function commandFor(names: readonly string[], command: string): { readonly command?: string } {
  return names.every((name) => PLAIN_WORD.test(name)) ? { command } : {};
}
