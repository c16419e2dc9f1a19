/** The columns of the tables of all kinds of objects. */

import { Bar } from "../../components/bar";
import { HealthIcon } from "../../components/health";
import {
  barColumn,
  healthColumn,
  numberColumn,
  type TableColumn,
  textColumn,
  timeColumn,
} from "../../components/table_columns";
import type { SummaryKind } from "../../data/protocol";
import type { Summary } from "../../data/summary";
import {
  formatAge,
  formatBytes,
  formatCelsius,
  formatCount,
  formatNumber,
  formatRatio,
  formatUsedCores,
} from "../../format";
import { shownNow } from "../../time/shown";
import { describeUsage, type Resource, usageOfCluster, WARN_FROM } from "../usage_bar";

type ColumnOptions = NonNullable<Parameters<typeof textColumn>[2]>;

export const COLUMNS: Readonly<Record<SummaryKind, readonly TableColumn[]>> = {
  clusters: [
    textColumn("name", "Name", { width: 16 }),
    healthColumn({ width: 15 }),
    countColumn("nodeCount", "Nodes", "failedNodeCount", { width: 6 }),
    countColumn("podCount", "Pods", "failedPodCount", { width: 7.5 }),
    percentColumn("cpuUsagePercent", "CPU", "cpu", { width: 8, describe: describeCluster("cpu") }),
    numberColumn("cpuCores", "Cores", formatNumber, { width: 5 }),
    percentColumn("memoryUsagePercent", "Memory used", "memory", { width: 8, describe: describeCluster("memory") }),
    numberColumn("memoryBytes", "Memory", formatBytes),
    textColumn("type", "Type", { width: 6, description: "The orchestrator, if known" }),
    ageColumn("lastSeenTime", "Last seen"),
    numberColumn("containerCount", "Containers", formatCount, { isOptional: true }),
    numberColumn("warningNodeCount", "Nodes, warning", formatCount, { isOptional: true, width: 8 }),
    numberColumn("warningPodCount", "Pods, warning", formatCount, { isOptional: true, width: 8 }),
    textColumn("controllers", "Controllers", { isOptional: true }),
    booleanColumn("isLinked", "Linked", { description: "Whether ClusterLink connects it to other clusters" }),
  ],
  nodes: [
    textColumn("name", "Name", { width: 14 }),
    healthColumn({ width: 12 }),
    textColumn("cluster", "Cluster", { width: 9 }),
    percentColumn("cpuUsagePercent", "CPU", "cpu"),
    percentColumn("memoryUsagePercent", "Memory used", "memory", { width: 8 }),
    percentColumn("filesystemUsagePercent", "Disk", "memory", { description: "The root file system" }),
    numberColumn("temperatureCelsius", "Temp.", formatCelsius, { width: 4.5, description: "The highest temperature" }),
    countColumn("podCount", "Pods", "failedPodCount"),
    numberColumn("cpuCores", "Cores", formatNumber, { width: 4.5 }),
    numberColumn("memoryBytes", "Memory", formatBytes, { width: 6 }),
    textColumn("architecture", "Arch.", { width: 5, description: "The architecture" }),
    ageColumn("lastSeenTime", "Last seen"),
    numberColumn("availableMemoryBytes", "Memory available", formatBytes, { isOptional: true, width: 9 }),
    textColumn("type", "Type", { isOptional: true, width: 6 }),
    textColumn("engine", "Engine", { isOptional: true }),
    textColumn("city", "City", { isOptional: true }),
    textColumn("country", "Country", { isOptional: true, width: 5 }),
    textColumn("filesystemName", "File system", { isOptional: true }),
    booleanColumn("isUnschedulable", "Cordoned"),
    booleanColumn("isReporting", "Reporting", { description: "Whether the agent of a registered node reports" }),
  ],
  pods: [
    textColumn("name", "Name", { width: 17 }),
    healthColumn({ width: 12 }),
    textColumn("namespace", "Namespace", { width: 7.5 }),
    textColumn("cluster", "Cluster", { width: 9 }),
    textColumn("node", "Node", { width: 10.5 }),
    textColumn("controllerName", "Controller", {
      width: 12,
      description: "What created the pod, such as a Deployment",
    }),
    numberColumn("restartCount", "Restarts", formatCount, { width: 5.5 }),
    numberColumn("cpuUsageCores", "CPU", formatUsedCores, { width: 4.5, description: "Used cores" }),
    numberColumn("memoryBytes", "Memory", formatBytes, { width: 6 }),
    ageColumn("startTime", "Age"),
    textColumn("phase", "Phase", { isOptional: true, width: 7 }),
    numberColumn("containerCount", "Containers", formatCount, { isOptional: true }),
    textColumn("controllerKind", "Controller kind", { isOptional: true, width: 9 }),
    textColumn("workload", "Workload", { isOptional: true, description: "The ICOS workloads that it belongs to" }),
  ],
  containers: [
    textColumn("name", "Name", { width: 10 }),
    healthColumn({ width: 11 }),
    textColumn("pod", "Pod", { width: 14 }),
    textColumn("namespace", "Namespace", { width: 7.5 }),
    textColumn("cluster", "Cluster", { width: 8.5 }),
    textColumn("image", "Image", { width: 14 }),
    limitColumn("cpuUsageCores", "CPU", "cpuLimitCores", "cpu", "Used cores"),
    limitColumn("memoryBytes", "Memory", "memoryLimitBytes", "memory", "Used memory"),
    numberColumn("restartCount", "Restarts", formatCount, { width: 5.5 }),
    textColumn("node", "Node", { isOptional: true, width: 12 }),
    textColumn("state", "State", { isOptional: true, width: 7 }),
    numberColumn("cpuLimitCores", "CPU limit", formatNumber, { isOptional: true }),
    numberColumn("memoryLimitBytes", "Memory limit", formatBytes, { isOptional: true }),
  ],
};

interface PercentOptions extends ColumnOptions {
  /** The amounts of which it is the share, for the title. */
  readonly describe?: (summary: Summary, row: number) => string;
}

/** A share in percent: sorted and exported as it is shown. */
function percentColumn(
  name: string,
  label: string,
  resource: Resource,
  { describe, ...options }: PercentOptions = {},
): TableColumn {
  const cell = (summary: Summary, row: number) => {
    const ratio = summary.number(name, row) / 100;
    return { ratio, text: formatRatio(ratio), title: describe?.(summary, row), warnFrom: WARN_FROM[resource] };
  };
  return barColumn(name, label, cell, { width: 7.5, ...options });
}

function describeCluster(resource: Resource) {
  return (clusters: Summary, row: number) => describeUsage(usageOfCluster(clusters, row, resource), resource);
}

/** What a container uses, with a bar if it has a limit. */
function limitColumn(
  name: string,
  label: string,
  limitName: string,
  resource: Resource,
  description: string,
): TableColumn {
  const format = resource === "cpu" ? formatUsedCores : formatBytes;
  const render = (summary: Summary, row: number) => {
    const used = summary.number(name, row);
    const limit = summary.number(limitName, row);
    if (!(limit > 0) || Number.isNaN(used)) return <span class="without-bar">{format(used)}</span>;
    return (
      <Bar
        ratio={used / limit}
        text={format(used)}
        title={describeUsage({ used, capacity: limit }, resource)}
        warnFrom={WARN_FROM[resource]}
      />
    );
  };
  const readBefore = (before: string) => `a limit of ${format(Number(before))}`;
  const shows = [limitName];
  return numberColumn(name, label, format, { width: 8, render, isNumber: false, description, shows, readBefore });
}

/** A number of objects, and how many of them have failed. */
function countColumn(name: string, label: string, failedName: string, options: ColumnOptions = {}): TableColumn {
  const render = (summary: Summary, row: number) => {
    const failed = summary.number(failedName, row);
    return (
      <>
        {failed > 0 && (
          <span class="failed-text">
            <HealthIcon health="failed" label={`${formatCount(failed)} failed of`} /> {formatCount(failed)} /{" "}
          </span>
        )}
        {formatCount(summary.number(name, row))}
      </>
    );
  };
  const readBefore = (before: string, of: string) =>
    of === failedName ? `${formatCount(Number(before))} failed` : formatCount(Number(before));
  return numberColumn(name, label, formatCount, {
    width: 5,
    render,
    shows: [name, failedName],
    readBefore,
    ...options,
  });
}

function ageColumn(name: string, label: string): TableColumn {
  return timeColumn(name, label, (time) => formatAge(time, shownNow()), { width: 6 });
}

function booleanColumn(name: string, label: string, options: ColumnOptions = {}): TableColumn {
  const text = (value: number) => (Number.isNaN(value) ? "" : value === 1 ? "yes" : "no");
  return {
    ...textColumn(name, label, { width: 6, isOptional: true, ...options }),
    readBefore: (before) => (before === "true" ? "yes" : "no"),
    render: (summary, row) => text(summary.number(name, row)),
    value: (summary, row) => {
      const value = summary.number(name, row);
      return Number.isNaN(value) ? null : value === 1;
    },
  };
}
