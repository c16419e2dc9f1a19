/** Where the cursor is in a filter or a label selector, and what may follow there. */

import type { Completion } from "../../components/completion_field";
import { findWords, MAXIMUM_COMPLETIONS } from "./words";

export interface Key {
  readonly name: string;
  /** Beside it: its type. */
  readonly detail: string;
  /** Another key follows after a dot: label.KEY. */
  readonly isMap: boolean;
}

/** What expressions can contain. */
export interface Vocabulary {
  readonly keys: readonly Key[];
  /** The operators of a key, none if there is no such key. */
  readonly operatorsOf: (key: string) => readonly string[];
  /** Values that the key can have, as far as known. */
  readonly valuesOf: (key: string) => readonly string[];
  readonly quote: (value: string) => string;
}

const NAME = String.raw`[^\s=!<>~(),"]+`;
const AFTER_NAME = /^[^\s=!<>~(),"]*/;
const AFTER_VALUE = /^[^,()]*/;
const IN_LIST = new RegExp(String.raw`^(${NAME})\s+(?:in|notin)\s*\((.*)$`, "s");
const IN_VALUE = new RegExp(String.raw`^(${NAME})\s*(?:==|!=|>=|<=|!~|=|<|>|~)\s*(.*)$`, "s");
const AFTER_KEY = new RegExp(String.raw`^(${NAME})\s+(\w*)$`);
const IN_KEY = new RegExp(`^!?(${NAME})?$`);

const OPERATOR_TEXTS: Readonly<Record<string, string>> = {
  "=": "equal",
  "!=": "not equal, or no value",
  "~": "contains",
  "!~": "does not contain",
  "<": "less, or before",
  "<=": "at most",
  ">": "more, or after",
  ">=": "at least",
  in: "one of",
  notin: "none of",
};

export function completeExpression(vocabulary: Vocabulary, expression: string, cursor: number): readonly Completion[] {
  const requirement = requirementBefore(expression.slice(0, cursor));
  const after = expression.slice(cursor);
  const [, listKey, list = ""] = IN_LIST.exec(requirement) ?? [];
  if (listKey !== undefined) return completeValues(vocabulary, listKey, lastItem(list), cursor, after);
  const [, valueKey, value = ""] = IN_VALUE.exec(requirement) ?? [];
  if (valueKey !== undefined) return completeValues(vocabulary, valueKey, value, cursor, after);
  const [, key, word = ""] = AFTER_KEY.exec(requirement) ?? [];
  if (key !== undefined) return completeOperators(vocabulary.operatorsOf(key), word, cursor, after);
  const [found, name = ""] = IN_KEY.exec(requirement) ?? [];
  return found === undefined ? [] : completeKeys(vocabulary, name, cursor, after);
}

/** The requirement that a text ends with: what is after the last comma outside of quotes and parentheses. */
function requirementBefore(text: string): string {
  let start = 0;
  let isQuoted = false;
  let isList = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (isQuoted) {
      if (character === "\\") index += 1;
      else if (character === '"') isQuoted = false;
    } else if (character === '"') isQuoted = true;
    else if (character === "(") isList = true;
    else if (character === ")") isList = false;
    else if (character === "," && !isList) start = index + 1;
  }
  return text.slice(start).trimStart();
}

function lastItem(list: string): string {
  return list.slice(list.lastIndexOf(",") + 1).trimStart();
}

function completeKeys({ keys, operatorsOf }: Vocabulary, name: string, cursor: number, after: string): Completion[] {
  const rest = AFTER_NAME.exec(after)?.[0].length ?? 0;
  const byName = new Map(keys.map((key) => [key.name, key]));
  const names = findWords([...byName.keys()], name).map((word) => {
    const key = byName.get(word);
    const text = key?.isMap ? `${word}.` : word;
    return { from: cursor - name.length, to: cursor + rest, text, label: text, detail: key?.detail ?? "" };
  });
  const operators = rest === 0 ? completeOperators(operatorsOf(name), null, cursor, after) : [];
  // What is a key already goes on with an operator; what may be one is completed first.
  const found = byName.has(name) ? [...operators, ...names] : [...names, ...operators];
  return found.slice(0, MAXIMUM_COMPLETIONS);
}

/** `word` is what is typed of an operator after the key and a space; null directly after the key. */
function completeOperators(
  operators: readonly string[],
  word: string | null,
  cursor: number,
  after: string,
): Completion[] {
  // What already has an operator needs none.
  if (/^\s*[=!<>~]/.test(after)) return [];
  const typed = word ?? "";
  // "!" alone is before a requirement.
  return operators
    .filter((operator) => operator !== "!" && operator.startsWith(typed))
    .map((operator) => ({
      from: cursor - typed.length,
      to: cursor,
      text: /\w/.test(operator) ? `${word === null ? " " : ""}${operator} (` : operator,
      label: operator,
      detail: OPERATOR_TEXTS[operator] ?? "",
    }));
}

function completeValues(
  { valuesOf, quote }: Vocabulary,
  key: string,
  typed: string,
  cursor: number,
  after: string,
): Completion[] {
  // A value that is closed is done.
  if (typed.includes(")") || /^".*"$/s.test(typed)) return [];
  const rest = AFTER_VALUE.exec(after)?.[0].length ?? 0;
  return findWords(valuesOf(key), typed.replace(/^"/, "")).map((word) => ({
    from: cursor - typed.length,
    to: cursor + rest,
    text: quote(word),
    label: word,
  }));
}
