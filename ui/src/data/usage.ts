/** Shares that the summary of nodes has and that of clusters has not: they are computed here, to sort by what is shown. */

import { type Columns, columnNamed, type NumberColumn } from "./columns";
import type { SummaryKind } from "./protocol";

/** Add `cpuUsagePercent` and `memoryUsagePercent` to clusters, where their parts are known. */
export function addUsage(kind: SummaryKind, columns: Columns): Columns {
  if (kind !== "clusters") return columns;
  const numbers = (name: string) => {
    const column = columnNamed(columns.columns, name);
    return column?.type === "number" ? column.values : null;
  };
  const [usedCores, cores] = [numbers("cpuUsageCores"), numbers("cpuCores")];
  const [available, memory] = [numbers("availableMemoryBytes"), numbers("memoryBytes")];
  const added: Record<string, NumberColumn> = {};
  if (usedCores && cores) added["cpuUsagePercent"] = percentOf(cores, (row) => usedCores[row] ?? 0);
  if (available && memory) added["memoryUsagePercent"] = percentOf(memory, (row, all) => all - (available[row] ?? 0));
  return { ...columns, columns: { ...added, ...columns.columns } };
}

function percentOf(all: Float64Array, usedOf: (row: number, all: number) => number): NumberColumn {
  // Of nothing there is no share.
  return {
    type: "number",
    values: all.map((value, row) => (value > 0 ? (usedOf(row, value) / value) * 100 : Number.NaN)),
  };
}
