import type { Summary } from "../data/summary";

/** Reads the health of many rows without making a string for each. */
export function createHealthReader(summary: Summary): (row: number) => string {
  const categories = summary.categories("health");
  if (categories === null) return (row) => summary.text("health", row);
  return (row) => categories.names[categories.indexes[row] ?? 0] ?? "";
}
