/** How many objects a fleet or a cluster has, how many of them have problems, and how much of its capacity is used. */

import type { Summary } from "../../data/summary";
import { formatCount } from "../../format";
import { type Resource, type Usage, usageOfCluster } from "../usage_bar";

const NO_USAGE: Usage = { used: 0, capacity: 0 };

export interface Totals {
  readonly clusters: number;
  readonly nodes: HealthCounts;
  readonly pods: HealthCounts;
  readonly containers: number;
  readonly cpu: Usage;
  readonly memory: Usage;
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
  const sumUsage = (resource: Resource) =>
    rows
      .map((row) => usageOfCluster(clusters, row, resource))
      .filter(({ used, capacity }) => !Number.isNaN(used + capacity))
      .reduce((sum, { used, capacity }) => ({ used: sum.used + used, capacity: sum.capacity + capacity }), NO_USAGE);
  return {
    clusters: rows.length,
    nodes: { all: sum("nodeCount"), failed: sum("failedNodeCount"), warning: sum("warningNodeCount") },
    pods: { all: sum("podCount"), failed: sum("failedPodCount"), warning: sum("warningPodCount") },
    containers: sum("containerCount"),
    cpu: sumUsage("cpu"),
    memory: sumUsage("memory"),
  };
}

function rowsOf(clusters: Summary, cluster: string): number[] {
  const rows = Array.from({ length: clusters.count }, (_, row) => row);
  return cluster === "" ? rows : rows.filter((row) => clusters.text("name", row) === cluster);
}

/** "1 failed, 2 with a warning", "" if all are well. */
export function describeCounts({ failed, warning }: Pick<HealthCounts, "failed" | "warning">): string {
  const parts = [
    failed > 0 && `${formatCount(failed)} failed`,
    warning > 0 && `${formatCount(warning)} with a warning`,
  ];
  return parts.filter((part) => part !== false).join(", ");
}
