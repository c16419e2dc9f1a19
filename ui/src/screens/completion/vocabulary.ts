/** What filters and label selectors can contain, from the API and from what is on the screen. */

import type { Summary } from "../../data/summary";
import { quoteValue } from "../filters";
import type { Key, Vocabulary } from "./expression";

/** A field of /api/v1/fields/{kind}. */
export interface FilterField {
  readonly name: string;
  readonly type: string;
  readonly isRepeated: boolean;
  readonly isMap: boolean;
  readonly values: readonly string[];
  readonly operators: readonly string[];
}

/** Keys of labels, and the values of each that some objects have. */
export type Labels = ReadonlyMap<string, readonly string[]>;

export const NO_LABELS: Labels = new Map();

const SELECTOR_OPERATORS = ["=", "!=", "in", "notin", ">", "<"];
const LABEL_PREFIX = "label.";
const NEEDS_QUOTES = /[\s=!<>~(),"]/;

/** The labels of some objects. */
export function collectLabels(objects: readonly { readonly labels?: Readonly<Record<string, string>> }[]): Labels {
  const found = new Map<string, Set<string>>();
  for (const { labels = {} } of objects) {
    for (const [key, value] of Object.entries(labels)) {
      const values = found.get(key) ?? new Set();
      found.set(key, values.add(value));
    }
  }
  return new Map(
    [...found].sort(([left], [right]) => (left < right ? -1 : 1)).map(([key, set]) => [key, [...set].sort()]),
  );
}

/** `textsOf` returns the different texts of a column of what is on the screen. */
export function filterVocabulary(
  fields: readonly FilterField[],
  labels: Labels,
  textsOf: (column: string) => readonly string[],
): Vocabulary {
  const byName = new Map(fields.map((field) => [field.name, field]));
  // "label.zone" is an entry of "label".
  const fieldOf = (key: string) => {
    const field = byName.get(key);
    if (field !== undefined) return field;
    const map = byName.get(key.split(".")[0] ?? "");
    return map?.isMap ? map : undefined;
  };
  const labelKeys = [...labels.keys()].filter((key) => !NEEDS_QUOTES.test(key));
  return {
    keys: [
      ...fields.map(describeField),
      ...labelKeys.map((key) => ({ name: LABEL_PREFIX + key, detail: "label", isMap: false })),
    ],
    operatorsOf: (key) => fieldOf(key)?.operators ?? [],
    valuesOf(key) {
      if (key.startsWith(LABEL_PREFIX)) return labels.get(key.slice(LABEL_PREFIX.length)) ?? [];
      const known = fieldOf(key)?.values ?? [];
      return known.length > 0 ? known : textsOf(columnOf(key));
    },
    quote: quoteValue,
  };
}

function describeField({ name, type, isRepeated, isMap }: FilterField): Key {
  return { name, detail: isRepeated ? `${type}, several` : type, isMap };
}

/** The column of summaries that has the values of a field: controller_kind, controllerKind. */
function columnOf(field: string): string {
  return field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export function selectorVocabulary(labels: Labels): Vocabulary {
  return {
    keys: [...labels.keys()].map((name) => ({ name, detail: "", isMap: false })),
    operatorsOf: (key) => (labels.has(key) ? SELECTOR_OPERATORS : []),
    valuesOf: (key) => labels.get(key) ?? [],
    quote: (value) => value,
  };
}

/** The different texts of a column of a summary. */
export function textsOfColumn(summary: Summary | null, column: string): readonly string[] {
  if (summary === null || !summary.has(column)) return [];
  const categories = summary.categories(column);
  if (categories !== null) return [...categories.names].sort();
  if (summary.isNumeric(column)) return [];
  return Array.from({ length: summary.count }, (_, row) => summary.text(column, row));
}
