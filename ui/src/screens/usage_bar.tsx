import { Bar, NEARLY_FULL } from "../components/bar";
import type { Summary } from "../data/summary";
import { formatBytes, formatCores, formatRatio } from "../format";

export type Resource = "cpu" | "memory";

/** How much of a capacity is used; NaN is unknown. */
export interface Usage {
  readonly used: number;
  readonly capacity: number;
}

/** Above this ratio, a bar is a warning: memory and file systems run full, but busy processors are used as intended. */
export const WARN_FROM: Readonly<Record<Resource, number | null>> = { cpu: null, memory: NEARLY_FULL };

/** The usage of the nodes of a cluster. */
export function usageOfCluster(clusters: Summary, row: number, resource: Resource): Usage {
  if (resource === "cpu") {
    return { used: clusters.number("cpuUsageCores", row), capacity: clusters.number("cpuCores", row) };
  }
  const capacity = clusters.number("memoryBytes", row);
  return { used: capacity - clusters.number("availableMemoryBytes", row), capacity };
}

/** "1.5 cores of 4 cores", "" if it is unknown. */
export function describeUsage({ used, capacity }: Usage, resource: Resource): string {
  const format = resource === "cpu" ? formatCores : formatBytes;
  return Number.isNaN(used) || Number.isNaN(capacity) ? "" : `${format(used)} of ${format(capacity)}`;
}

interface UsageBarProps {
  readonly usage: Usage;
  readonly resource: Resource;
  /** Show the capacity, too. */
  readonly hasCapacity?: boolean;
}

/** How much of the processors or the memory is used. */
export function UsageBar({ usage, resource, hasCapacity = false }: UsageBarProps) {
  const { used, capacity } = usage;
  const ratio = capacity > 0 ? used / capacity : Number.NaN;
  const format = resource === "cpu" ? formatCores : formatBytes;
  return (
    <Bar
      ratio={ratio}
      text={hasCapacity && !Number.isNaN(ratio) ? `${formatRatio(ratio)} of ${format(capacity)}` : formatRatio(ratio)}
      title={describeUsage(usage, resource)}
      warnFrom={WARN_FROM[resource]}
    />
  );
}

/** A share in percent of which the amounts are not known. */
export function PercentBar({ percent, resource }: { readonly percent: number; readonly resource: Resource }) {
  const ratio = percent / 100;
  return <Bar ratio={ratio} text={formatRatio(ratio)} warnFrom={WARN_FROM[resource]} />;
}
