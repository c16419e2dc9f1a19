/** Expressions in the filter language of the API (docs/api.md). */

import type { Problem } from "../data/problem";

const NEEDS_QUOTES = /[\s,()=!<>~"'*^$|&\\]/;

/** A value in a filter: in double quotes if it contains characters with a meaning. */
export function quoteValue(value: string): string {
  if (value !== "" && !NEEDS_QUOTES.test(value)) return value;
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** The requirement that a field has a value. */
export function equals(field: string, value: string): string {
  return `${field}=${quoteValue(value)}`;
}

/**
 * The problem of a filter as it would be without what the page has put before it. The position is that of the text in
 * the field.
 */
export function problemWithoutPrefix(problem: Problem, joined: string, typed: string): Problem {
  if (!joined.endsWith(typed)) return problem;
  const start = joined.length - typed.length;
  const detail = problem.detail.replace(/^(filter: (?:un)?expected .*? at character )(\d+)/, (_, before, position) => {
    return `${before}${Math.max(1, Number(position) - start)}`;
  });
  return { ...problem, detail };
}

/** The problem of a filter that names a column as the table does: similar is then the field that the column shows. */
export function problemWithFieldOf(
  problem: Problem,
  columns: readonly { readonly name: string; readonly label: string }[],
): Problem {
  const typed = /^filter: \w+ have no field ([^;]+)/.exec(problem.detail)?.[1]?.toLowerCase();
  const fields = columns
    .filter(({ label }) => label.toLowerCase() === typed)
    .map(({ name }) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
    .filter((field) => problem.allowed?.includes(field));
  return fields.length === 0 ? problem : { ...problem, nearest: [...new Set([...fields, ...(problem.nearest ?? [])])] };
}

/** Requirements that must all match. Empty ones are left out. */
export function joinFilters(...filters: readonly string[]): string {
  return filters.filter((filter) => filter.trim() !== "").join(",");
}
