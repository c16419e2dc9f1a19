/** What a problem of an object means, and what to do about it. */

import { safeText } from "../../format";
import { alertName } from "../object_state";
import { type JsonObject, mapField } from "./fields";

export interface Explanation {
  /** What is wrong, in a few words. It can contain names from telemetry. */
  readonly title: string;
  /** What that means, and what to do. */
  readonly advice?: string;
  /** A command that shows more. It contains only names that a shell takes as they are. */
  readonly command?: string;
}

/** The explanation of a problem that is an alert, null if it is another problem. */
export function explainAlert(object: JsonObject, problem: string): Explanation | null {
  const name = alertName(problem);
  if (name === null) return null;
  const severity = new Map(mapField(object, "alerts")).get(name);
  return { title: `Alert ${safeText(name, 100)} is firing${severity ? ` (${safeText(String(severity), 40)})` : ""}` };
}

// Names from telemetry can contain anything: a command has only those that a shell does not interpret.
const PLAIN_WORD = /^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/;

/** A command for these names; none if one of them is not a plain word. */
export function commandFor(names: readonly string[], command: string): { readonly command?: string } {
  return names.every((name) => PLAIN_WORD.test(name)) ? { command } : {};
}
