/** How many objects a fleet or a cluster has, how many of them have problems, and how much of its capacity is used. */

import type { Summary } from "../../data/summary";

export interface Totals {
  readonly clusters: number;
  readonly nodes: HealthCounts;
  readonly pods: HealthCounts;
  readonly containers: number;
  readonly cpuCores: number;
  readonly cpuUsageCores: number;
  readonly memoryBytes: number;
  readonly availableMemoryBytes: number;
}

export interface HealthCounts {
  readonly all: number;
  readonly failed: number;
  readonly warning: number;
}

/** Add up the summary of clusters; with `cluster`, only this one. Unknown capacities count as nothing. */
export function addUpClusters(clusters: Summary, cluster = ""): Totals {
  const rows = rowsOf(clusters, cluster);
  const sum = (column: string) => rows.reduce((total, row) => total + (clusters.number(column, row) || 0), 0);
  // Usage is a share only of the capacity of those clusters whose usage is known.
  const sumKnown = (column: string, other: string) =>
    rows
      .filter((row) => !Number.isNaN(clusters.number(other, row)))
      .reduce((total, row) => total + (clusters.number(column, row) || 0), 0);
  return {
    clusters: rows.length,
    nodes: { all: sum("nodeCount"), failed: sum("failedNodeCount"), warning: sum("warningNodeCount") },
    pods: { all: sum("podCount"), failed: sum("failedPodCount"), warning: sum("warningPodCount") },
    containers: sum("containerCount"),
    cpuCores: sumKnown("cpuCores", "cpuUsageCores"),
    cpuUsageCores: sumKnown("cpuUsageCores", "cpuCores"),
    memoryBytes: sumKnown("memoryBytes", "availableMemoryBytes"),
    availableMemoryBytes: sumKnown("availableMemoryBytes", "memoryBytes"),
  };
}

function rowsOf(clusters: Summary, cluster: string): number[] {
  const rows = Array.from({ length: clusters.count }, (_, row) => row);
  return cluster === "" ? rows : rows.filter((row) => clusters.text("name", row) === cluster);
}

/** "1 failed, 2 with a warning", "" if all are well. */
export function describeCounts({ failed, warning }: HealthCounts): string {
  const parts = [failed > 0 && `${failed.toLocaleString("en")} failed`, warning > 0 && warningText(warning)];
  return parts.filter((part) => part !== false).join(", ");
}

function warningText(count: number): string {
  return `${count.toLocaleString("en")} with a warning`;
}
