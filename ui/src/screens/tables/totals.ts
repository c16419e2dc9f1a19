/** Sums over all rows of a table, in one sentence. */

import type { SummaryKind } from "../../data/protocol";
import type { Summary } from "../../data/summary";
import { formatBytes, formatCores, formatQuantity, formatRatio } from "../../format";
import { countHealth } from "../health_codes";
import { describeCounts } from "../overview/totals";

/** Such as "1 failed", "212 cores, 14 % used"; only what is known. */
export function describeTotals(kind: SummaryKind, summary: Summary): string[] {
  const parts = [describeCounts(countHealth(summary))];
  switch (kind) {
    case "clusters":
      parts.push(formatQuantity(sum(summary, "nodeCount"), "node"), formatQuantity(sum(summary, "podCount"), "pod"));
      parts.push(describeUse(summary, formatCores, "cpuCores", "cpuUsageCores", (_, used) => used));
      parts.push(describeMemory(summary));
      break;
    case "nodes":
      parts.push(
        describeUse(summary, formatCores, "cpuCores", "cpuUsagePercent", (cores, percent) => (cores * percent) / 100),
      );
      parts.push(describeMemory(summary));
      break;
    default:
      parts.push(describeSum(summary, "cpuUsageCores", formatCores), describeSum(summary, "memoryBytes", formatBytes));
  }
  return parts.filter((part) => part !== "");
}

function sum(summary: Summary, column: string): number {
  let total = 0;
  for (const value of summary.numbers(column)) if (!Number.isNaN(value)) total += value;
  return total;
}

function describeSum(summary: Summary, column: string, format: (value: number) => string): string {
  const total = sum(summary, column);
  return total > 0 ? `${format(total)}${column === "memoryBytes" ? " memory" : ""} used` : "";
}

function describeMemory(summary: Summary): string {
  return describeUse(summary, formatBytes, "memoryBytes", "availableMemoryBytes", (all, available) => all - available);
}

/** The capacity, and the used share of what is known of both. */
function describeUse(
  summary: Summary,
  format: (value: number) => string,
  capacity: string,
  measured: string,
  usedOf: (capacity: number, measured: number) => number,
): string {
  const capacities = summary.numbers(capacity);
  const measures = summary.numbers(measured);
  let all = 0;
  let known = 0;
  let used = 0;
  for (let row = 0; row < summary.count; row += 1) {
    const value = capacities[row] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    all += value;
    const part = usedOf(value, measures[row] ?? Number.NaN);
    if (Number.isNaN(part)) continue;
    known += value;
    used += part;
  }
  if (all === 0) return "";
  return known > 0 ? `${format(all)}, ${formatRatio(used / known)} used` : format(all);
}
