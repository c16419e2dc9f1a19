/** Pods that fail or restart, one finding for each workload, and the alerts that fire. */

import { HEALTHS } from "../../data/health";
import type { Summary } from "../../data/summary";
import { formatAge, formatCount, formatDuration, formatQuantity } from "../../format";
import { hrefOf, hrefOfObject } from "../../router";
import { equals, joinFilters } from "../filters";
import { healthCodes } from "../health_codes";
import { alertName, hasOnlyAlerts, RESTARTS_OFTEN, selectSpecificProblems, splitProblems } from "../object_state";
import { objectOfRow } from "../objects";
import { listNames, type Part, type Sentence } from "../sentence";
import { type Finding, type FindingHealth, GROUP_SIZE, nodeKey, RANKS } from "./finding";
import type { NodeProblem } from "./node_findings";

/** Problems that pods have because their node has failed. */
const PROBLEMS_OF_LOST_PODS: ReadonlySet<string> = new Set([
  "not ready",
  "Unknown",
  "NodeLost",
  "Pending",
  RESTARTS_OFTEN,
]);
const JOB_KINDS: ReadonlySet<string> = new Set(["Job", "CronJob"]);

/** Pods of one workload with problems, in all clusters: the same workload has the same problem for the same reason. */
interface PodGroup {
  readonly namespace: string;
  /** The controller of the pods, or the name of the pod if it has none. */
  readonly workload: string;
  readonly controllerKind: string;
  health: FindingHealth;
  count: number;
  restarts: number;
  newestStart: number;
  /** How many pods have which problems. */
  readonly problems: Map<string, number>;
  readonly clusters: Set<string>;
  readonly firstPod: string;
}

interface AlertGroup {
  readonly kind: "nodes" | "pods";
  health: FindingHealth;
  readonly names: string[];
  readonly href: string;
}

interface PodScan {
  readonly failing: ReadonlyMap<string, PodGroup>;
  readonly restarting: ReadonlyMap<string, PodGroup>;
  readonly alerts: Map<string, AlertGroup>;
  /** How many pods have problems because of their node, by the key of the node. */
  readonly affected: ReadonlyMap<string, number>;
}

/** Look at all pods once; with `only`, at those of this cluster. */
export function scanPods(pods: Summary, failedNodes: ReadonlySet<string>, only: string): PodScan {
  const failing = new Map<string, PodGroup>();
  const restarting = new Map<string, PodGroup>();
  const alerts = new Map<string, AlertGroup>();
  const affected = new Map<string, number>();
  const codes = healthCodes(pods);
  for (let row = 0; row < pods.count; row += 1) {
    const health = HEALTHS[codes[row] ?? 0];
    if (health !== "failed" && health !== "warning") continue;
    const cluster = pods.text("cluster", row);
    if (only !== "" && cluster !== only) continue;
    const problems = splitProblems(pods.text("problems", row));
    const node = nodeKey(cluster, pods.text("node", row));
    if (failedNodes.has(node) && problems.every((problem) => PROBLEMS_OF_LOST_PODS.has(problem))) {
      affected.set(node, (affected.get(node) ?? 0) + 1);
    } else if (hasOnlyAlerts(problems)) {
      addAlerts(alerts, "pods", problems, health, pods.text("name", row), hrefOfObject(objectOfRow(pods, row)));
    } else if (isOnlyRestarting(problems)) addPod(restarting, pods, row, health, problems);
    else addPod(failing, pods, row, health, problems);
  }
  return { failing, restarting, alerts, affected };
}

/** Whether a pod runs, but does not stay up. */
function isOnlyRestarting(problems: readonly string[]): boolean {
  return problems.every((problem) => problem === RESTARTS_OFTEN || alertName(problem) !== null);
}

function addPod(
  groups: Map<string, PodGroup>,
  pods: Summary,
  row: number,
  health: FindingHealth,
  problems: readonly string[],
): void {
  const namespace = pods.text("namespace", row);
  const firstPod = pods.text("name", row);
  const controller = pods.text("controllerName", row);
  const key = `${namespace}\0${controller || firstPod}`;
  let group = groups.get(key);
  if (group === undefined) {
    group = {
      namespace,
      workload: controller || firstPod,
      controllerKind: pods.text("controllerKind", row),
      health,
      count: 0,
      restarts: 0,
      newestStart: Number.NaN,
      problems: new Map(),
      clusters: new Set(),
      firstPod,
    };
    groups.set(key, group);
  }
  if (health === "failed") group.health = "failed";
  group.count += 1;
  group.restarts += pods.number("restartCount", row) || 0;
  const start = pods.number("startTime", row);
  if (!(start <= group.newestStart) && !Number.isNaN(start)) group.newestStart = start;
  const problem = selectSpecificProblems(problems).join(", ");
  group.problems.set(problem, (group.problems.get(problem) ?? 0) + 1);
  group.clusters.add(pods.text("cluster", row));
}

function addAlerts(
  alerts: Map<string, AlertGroup>,
  kind: AlertGroup["kind"],
  problems: readonly string[],
  health: FindingHealth,
  name: string,
  href: string,
): void {
  for (const problem of problems) {
    const alert = alertName(problem);
    if (alert === null) continue;
    const key = `${kind}\0${alert}`;
    const group = alerts.get(key);
    if (group === undefined) alerts.set(key, { kind, health, names: [name], href });
    else {
      group.names.push(name);
      if (health === "failed") group.health = "failed";
    }
  }
}

export function findPodFindings(scan: PodScan, now: number): Finding[] {
  return [
    ...[...scan.failing.values()].map((group) => describeFailing(group, now)),
    ...[...scan.restarting.values()].map((group) => describeRestarting(group, now)),
  ];
}

function describeFailing(group: PodGroup, now: number): Finding {
  return {
    key: `pods ${group.namespace}\0${group.workload}`,
    health: group.health,
    rank: JOB_KINDS.has(group.controllerKind) ? RANKS.job : RANKS.pod,
    count: group.count,
    title: [...describeWorkload(group), `: ${describeProblems(group)}`],
    detail: describePods(group, now),
    href: hrefOfGroup(group),
  };
}

function describeRestarting(group: PodGroup, now: number): Finding {
  return {
    key: `restarts ${group.namespace}\0${group.workload}`,
    health: "warning",
    rank: RANKS.restart,
    count: group.count,
    title: [...describeWorkload(group), ": restarts often"],
    detail: describePods(group, now),
    href: hrefOfGroup(group),
  };
}

function describeWorkload({ namespace, workload }: PodGroup): Sentence {
  return namespace === "" ? [{ name: workload }] : [{ name: namespace }, "/", { name: workload }];
}

function describeProblems({ problems, count, health }: PodGroup): string {
  const sorted = [...problems].sort(([, left], [, right]) => right - left);
  const [[first] = [""]] = sorted;
  if (sorted.length === 1) return first || health;
  const shown = sorted
    .slice(0, 3)
    .map(([problem, same]) => `${problem} (${formatCount(same)} of ${formatCount(count)})`);
  return sorted.length > 3 ? `${shown.join(", ")}, …` : shown.join(", ");
}

function describePods({ clusters, count, restarts, newestStart }: PodGroup, now: number): Sentence {
  const parts: Part[] = [`${formatQuantity(count, "pod")} in `];
  if (clusters.size > GROUP_SIZE) parts.push(`${formatCount(clusters.size)} clusters: `);
  parts.push(...listNames([...clusters].slice(0, GROUP_SIZE + 1), clusters.size));
  if (restarts > 0) parts.push(`, ${formatQuantity(restarts, "restart")}`);
  if (restarts > 0 && count === 1 && !Number.isNaN(newestStart)) {
    const seconds = (now / 1000 - newestStart) / restarts;
    if (seconds > 0) parts.push(`: one every ${formatDuration(seconds)}`);
  } else if (!Number.isNaN(newestStart)) parts.push(`, last started ${formatAge(newestStart, now)} ago`);
  return parts;
}

function hrefOfGroup({ clusters, namespace, workload, count, firstPod }: PodGroup): string {
  const [cluster = ""] = clusters;
  if (count === 1) return hrefOfObject({ kind: "pod", cluster, namespace, pod: firstPod });
  const isOne = clusters.size === 1;
  const ofWorkload = firstPod === workload ? equals("name", workload) : equals("controller_name", workload);
  const ofNamespace = namespace === "" ? "!namespace" : equals("namespace", namespace);
  return hrefOf(
    { screen: "table", kind: "pods" },
    { filter: joinFilters(ofNamespace, ofWorkload), cluster: isOne ? cluster : undefined, sort: "health,name" },
  );
}

/** Alerts of nodes and pods that have no other problem: one finding for each alert. */
export function findAlertFindings(nodes: readonly NodeProblem[], scan: PodScan | null): Finding[] {
  const alerts = new Map<string, AlertGroup>(scan?.alerts);
  for (const { cluster, name, health, problems } of nodes) {
    const href = hrefOfObject({ kind: "node", cluster, node: name });
    if (hasOnlyAlerts(problems)) addAlerts(alerts, "nodes", problems, health, name, href);
  }
  return [...alerts].map(([key, { kind, health, names, href }]) => {
    const alert = key.slice(kind.length + 1);
    return {
      key: `alert ${key}`,
      health,
      rank: RANKS.alert,
      count: names.length,
      title: ["Alert ", { name: alert }, ` is firing for ${formatQuantity(names.length, kind.slice(0, -1))}`],
      detail: listNames(names),
      href:
        names.length === 1
          ? href
          : hrefOf({ screen: "table", kind }, { filter: equals("alert", alert), sort: "health,name" }),
    };
  });
}
