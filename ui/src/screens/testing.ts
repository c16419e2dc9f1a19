/** Summaries for tests, from rows as a person writes them. */

import { type ColumnResponse, decodeSummary } from "../data/columns";
import type { SummaryKind } from "../data/protocol";
import { Summary } from "../data/summary";

export type Row = Readonly<Record<string, string | number | boolean | null>>;

/**
 * A summary with a column for each name that one of the rows has; what a row has not is unknown. `ids` are the numbers
 * of the objects, those of their rows by default.
 */
export function createSummary(kind: SummaryKind, rows: readonly Row[], ids: Iterable<number> = rows.keys()): Summary {
  const names = [...new Set(rows.flatMap(Object.keys))];
  const columns: Record<string, ColumnResponse> = {};
  for (const name of names)
    columns[name] = encodeColumn(
      name,
      rows.map((row) => row[name] ?? null),
    );
  const decoded = decodeSummary({ version: "v", totalCount: rows.length, columns });
  return new Summary(kind, { revision: 1, columns: decoded, ids: Uint32Array.from(ids) });
}

/** As the API: texts that repeat as a dictionary, names and numbers one by one. */
function encodeColumn(name: string, values: readonly (string | number | boolean | null)[]): ColumnResponse {
  if (name === "name" || !values.some((value) => typeof value === "string")) return { values };
  const names = [...new Set(values.filter((value) => typeof value === "string"))];
  return { names, indexes: values.map((value) => (typeof value === "string" ? names.indexOf(value) : null)) };
}
