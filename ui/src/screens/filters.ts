/** Expressions in the filter language of the API (docs/api.md). */

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

/** Requirements that must all match. Empty ones are left out. */
export function joinFilters(...filters: readonly string[]): string {
  return filters.filter((filter) => filter.trim() !== "").join(",");
}
