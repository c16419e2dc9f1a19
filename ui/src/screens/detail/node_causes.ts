/** What is wrong with a node, why, and what to look at next. */

import { formatBytes, formatRatio, formatTime, safeText } from "../../format";
import { FULL } from "../thresholds";
import { type Cause, commandFor, findAlertCauses } from "./causes";
import { type JsonObject, listField, mapField, numberField, textField, timeField } from "./fields";

const CONDITION_ADVICE: Readonly<Record<string, string>> = {
  DiskPressure: "The disk is nearly full. The kubelet deletes images and evicts pods.",
  MemoryPressure: "Memory is nearly used up. The kubelet evicts pods.",
  PIDPressure: "Too many processes run. The kubelet evicts pods.",
  NetworkUnavailable: "The network of the node is not set up. Check the network plugin.",
};

/** What is wrong with a node, most important first. */
export function findNodeCauses(node: JsonObject): Cause[] {
  const name = textField(node, "name");
  const isGone = textField(node, "goneSinceTime") !== "";
  return [
    ...(isGone ? [describeGone(node)] : []),
    ...(node["isReporting"] === false ? [describeSilence(node)] : []),
    ...findConditionCauses(node),
    ...findAlertCauses(node),
    ...(isGone ? [] : findFullCauses(node)),
    ...(node["isUnschedulable"] === true
      ? [
          {
            health: "warning" as const,
            title: "Cordoned",
            advice: "New pods are not scheduled here until somebody uncordons the node.",
            ...commandFor([name], `kubectl uncordon ${name}`),
          },
        ]
      : []),
  ];
}

function describeGone(node: JsonObject): Cause {
  return {
    health: "failed",
    title: `Gone: last seen ${formatTime(timeField(node, "goneSinceTime"))}`,
    advice:
      "No series describe the node any longer. These are its last known values. " +
      "Check that the host runs, and in Prometheus that its exporters are scraped (up = 1).",
  };
}

function describeSilence(node: JsonObject): Cause {
  const seen = timeField(node, "lastSeenTime");
  return {
    health: "failed",
    title: Number.isNaN(seen) ? "Does not report" : `Does not report: last report ${formatTime(seen)}`,
    advice:
      "The agent on the host has stopped sending reports. " +
      "Check that the host runs, reaches the scrape server, and that its agent runs.",
  };
}

function findConditionCauses(node: JsonObject): Cause[] {
  const conditions = new Map(mapField(node, "conditions"));
  const ready = conditions.get("Ready") ?? "true";
  conditions.delete("Ready");
  const causes: Cause[] = [];
  if (ready !== "true") {
    causes.push({
      health: "failed",
      title: ready === "false" ? "Not ready" : "Ready is unknown",
      advice:
        ready === "false"
          ? "The kubelet reports that the node cannot run pods. The conditions of the node say why."
          : "The control plane has not heard of the kubelet. Check that the host runs and reaches the API server.",
      ...describeNodeCommand(node),
    });
  }
  for (const [condition, status] of [...conditions].sort()) {
    if (status === "true" || (status === "unknown" && ready === "true")) {
      const advice = CONDITION_ADVICE[condition];
      causes.push({
        health: "warning",
        title: status === "true" ? safeText(condition, 100) : `${safeText(condition, 100)} is unknown`,
        ...(advice !== undefined && status === "true" && { advice }),
        ...describeNodeCommand(node),
      });
    }
  }
  return causes;
}

function findFullCauses(node: JsonObject): Cause[] {
  const memory = numberField(node, "memoryUsagePercent") / 100;
  const full = listField(node, "filesystems")
    .map((filesystem) => ({ filesystem, ratio: filesystemRatio(filesystem) }))
    .filter(({ ratio }) => ratio >= FULL.warning)
    .map(({ filesystem, ratio }) => ({
      health: fullHealth(ratio),
      title: `File system ${safeText(textField(filesystem, "name"), 100)} is ${formatRatio(ratio)} full`,
      advice: `${formatBytes(numberField(filesystem, "rootAvailableBytes"))} are available.`,
    }));
  if (!(memory >= FULL.warning)) return full;
  const available = numberField(node, "availableMemoryBytes");
  return [
    ...full,
    {
      health: fullHealth(memory),
      title: `Memory is ${formatRatio(memory)} full`,
      ...(!Number.isNaN(available) && { advice: `${formatBytes(available)} are available.` }),
    },
  ];
}

function fullHealth(ratio: number): "failed" | "warning" {
  return ratio >= FULL.failed ? "failed" : "warning";
}

/** The used share of a file system, NaN if it is unknown. */
export function filesystemRatio(filesystem: JsonObject): number {
  const size = numberField(filesystem, "sizeBytes");
  return size > 0 ? 1 - numberField(filesystem, "rootAvailableBytes") / size : Number.NaN;
}

function describeNodeCommand(node: JsonObject): { readonly command?: string } {
  const name = textField(node, "name");
  return commandFor([name], `kubectl describe node ${name}`);
}
