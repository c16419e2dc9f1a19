/** What the problems of a node mean, and what to look at next. */

import { formatBytes, formatRatio, formatTime, safeText } from "../../format";
import { FILESYSTEM_NEARLY_FULL, MEMORY_NEARLY_FULL } from "../object_state";
import { commandFor, type Explanation, explainAlert } from "./explanation";
import { type JsonObject, listField, numberField, textField, timeField } from "./fields";

const CONDITION_ADVICE: Readonly<Record<string, string>> = {
  DiskPressure: "The disk is nearly full. The kubelet deletes images and evicts pods.",
  MemoryPressure: "Memory is nearly used up. The kubelet evicts pods.",
  PIDPressure: "Too many processes are running. The kubelet evicts pods.",
  NetworkUnavailable: "The network of the node is not set up. Check the network plugin.",
};

/** Explain each problem of a node that the API names. */
export function explainNode(node: JsonObject, problems: readonly string[]): Explanation[] {
  return problems.map((problem) => explainAlert(node, problem) ?? explainProblem(node, problem));
}

function explainProblem(node: JsonObject, problem: string): Explanation {
  switch (problem) {
    case "gone":
      return explainGone(node);
    case "does not report":
      return explainSilence(node);
    case "cordoned":
      return explainCordoned(node);
    case MEMORY_NEARLY_FULL:
      return explainMemory(node);
    case FILESYSTEM_NEARLY_FULL:
      return explainFilesystems(node);
    default:
      return { ...explainCondition(problem), ...describeNodeCommand(node) };
  }
}

function explainGone(node: JsonObject): Explanation {
  return {
    title: `Gone: last seen ${formatTime(timeField(node, "goneSinceTime"))}`,
    advice:
      "There are no series for this node any more. These are its last known values. " +
      "Check that the host is running, and that Prometheus scrapes its exporters (up = 1).",
  };
}

function explainSilence(node: JsonObject): Explanation {
  const seen = timeField(node, "lastSeenTime");
  return {
    title: Number.isNaN(seen) ? "Does not report" : `Does not report: last report ${formatTime(seen)}`,
    advice:
      "The agent on the host has stopped sending reports. " +
      "Check that the host and its agent are running, and that the agent can reach the scrape server.",
  };
}

function explainCordoned(node: JsonObject): Explanation {
  const name = textField(node, "name");
  return {
    title: "Cordoned",
    advice: "No new pods are scheduled on this node until it is uncordoned.",
    ...commandFor([name], `kubectl uncordon ${name}`),
  };
}

function explainMemory(node: JsonObject): Explanation {
  const ratio = numberField(node, "memoryUsagePercent") / 100;
  const available = numberField(node, "availableMemoryBytes");
  return {
    title: Number.isNaN(ratio) ? "Memory is nearly full" : `Memory is ${formatRatio(ratio)} full`,
    ...(!Number.isNaN(available) && { advice: `${formatBytes(available)} available.` }),
  };
}

/** The fullest file system: the one that is nearly full. */
function explainFilesystems(node: JsonObject): Explanation {
  const [fullest] = listField(node, "filesystems")
    .map((filesystem) => ({ filesystem, ratio: filesystemRatio(filesystem) }))
    .filter(({ ratio }) => !Number.isNaN(ratio))
    .sort((left, right) => right.ratio - left.ratio);
  if (fullest === undefined) return { title: "A file system is nearly full" };
  const { filesystem, ratio } = fullest;
  return {
    title: `File system ${safeText(textField(filesystem, "name"), 100)} is ${formatRatio(ratio)} full`,
    advice: `${formatBytes(numberField(filesystem, "rootAvailableBytes"))} available.`,
  };
}

function explainCondition(problem: string): Explanation {
  if (problem === "not ready") {
    return {
      title: "Not ready",
      advice: "The kubelet reports that the node cannot run pods. The conditions of the node say why.",
    };
  }
  if (problem === "Ready unknown") {
    return {
      title: "Ready is unknown",
      advice:
        "The control plane has not heard from the kubelet. Check that the host is running and reaches the API server.",
    };
  }
  const advice = CONDITION_ADVICE[problem];
  return {
    title: safeText(problem.replace(/ unknown$/, " is unknown"), 120),
    ...(advice !== undefined && { advice }),
  };
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
