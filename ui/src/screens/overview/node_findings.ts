/** Nodes and clusters that have failed, and nodes whose memory or file system is nearly full. */

import { NEARLY_FULL } from "../../components/bar";
import { HEALTHS } from "../../data/health";
import type { Summary } from "../../data/summary";
import { formatAge, formatCount, formatQuantity, formatRatio, formatRecentTime } from "../../format";
import { hrefOf, hrefOfObject } from "../../router";
import { groupBy } from "../group";
import { healthCodes } from "../health_codes";
import { FILESYSTEM_NEARLY_FULL, hasOnlyAlerts, MEMORY_NEARLY_FULL, splitProblems } from "../object_state";
import { listNames, type Part } from "../sentence";
import { type Finding, type FindingHealth, GROUP_SIZE, nodeKey, RANKS } from "./finding";

export interface NodeProblem {
  readonly cluster: string;
  readonly name: string;
  readonly health: FindingHealth;
  readonly problems: readonly string[];
  readonly lastSeen: number;
}

interface NodeScan {
  readonly problems: readonly NodeProblem[];
  /** The number of nodes of each cluster. */
  readonly totals: ReadonlyMap<string, number>;
  /** Keys of the nodes that have failed. */
  readonly failed: ReadonlySet<string>;
  readonly fullFilesystems: readonly FullNode[];
  readonly fullMemories: readonly FullNode[];
}

interface FullNode {
  readonly cluster: string;
  readonly name: string;
  readonly ratio: number;
  readonly filesystem: string;
}

/** Look at all nodes once; with `only`, at those of this cluster. */
export function scanNodes(nodes: Summary, only: string): NodeScan {
  const problems: NodeProblem[] = [];
  const totals = new Map<string, number>();
  const failed = new Set<string>();
  const fullFilesystems: FullNode[] = [];
  const fullMemories: FullNode[] = [];
  const codes = healthCodes(nodes);
  for (let row = 0; row < nodes.count; row += 1) {
    const cluster = nodes.text("cluster", row);
    if (only !== "" && cluster !== only) continue;
    totals.set(cluster, (totals.get(cluster) ?? 0) + 1);
    const health = HEALTHS[codes[row] ?? 0];
    if (health !== "failed" && health !== "warning") continue;
    const name = nodes.text("name", row);
    const all = splitProblems(nodes.text("problems", row));
    const others = all.filter((problem) => problem !== MEMORY_NEARLY_FULL && problem !== FILESYSTEM_NEARLY_FULL);
    if (others.length > 0) {
      problems.push({ cluster, name, health, problems: others, lastSeen: nodes.number("lastSeenTime", row) });
    }
    if (health === "failed") failed.add(nodeKey(cluster, name));
    const ratioOf = (column: string) => nodes.number(column, row) / 100;
    if (all.includes(FILESYSTEM_NEARLY_FULL)) {
      const filesystem = nodes.text("filesystemName", row);
      fullFilesystems.push({ cluster, name, ratio: ratioOf("filesystemUsagePercent"), filesystem });
    }
    if (all.includes(MEMORY_NEARLY_FULL)) {
      fullMemories.push({ cluster, name, ratio: ratioOf("memoryUsagePercent"), filesystem: "" });
    }
  }
  return { problems, totals, failed, fullFilesystems, fullMemories };
}

/** `affectedPods` is the number of pods that have problems because of a node, by the key of the node. */
export function findNodeFindings(scan: NodeScan, affectedPods: ReadonlyMap<string, number>, now: number): Finding[] {
  const { problems, totals } = scan;
  const byCluster = groupBy(
    problems.filter((node) => !hasOnlyAlerts(node.problems)),
    (node) => node.cluster,
  );
  const lost: (readonly [string, readonly NodeProblem[]])[] = [];
  const findings: Finding[] = [];
  for (const [cluster, nodes] of byCluster) {
    const isLost = nodes.length === totals.get(cluster) && nodes.every((node) => node.health === "failed");
    if (isLost && nodes.length > 1) lost.push([cluster, nodes]);
    else findings.push(...describeNodesOfCluster(cluster, nodes, affectedPods, now));
  }
  return [...findings, ...describeLostClusters(lost), ...findFullNodes(scan)];
}

function describeLostClusters(lost: readonly (readonly [string, readonly NodeProblem[]])[]): Finding[] {
  const count = lost.reduce((sum, [, nodes]) => sum + nodes.length, 0);
  if (lost.length > GROUP_SIZE) {
    return [
      {
        key: "clusters",
        health: "failed",
        rank: RANKS.cluster,
        count,
        title: [`All nodes of ${formatCount(lost.length)} clusters have failed`],
        detail: listNames(lost.map(([cluster]) => cluster)),
        href: hrefOf({ screen: "table", kind: "clusters" }, { sort: "health,name" }),
      },
    ];
  }
  return lost.map(([cluster, nodes]) => ({
    key: `cluster ${cluster}`,
    health: "failed",
    rank: RANKS.cluster,
    count: nodes.length,
    title: [{ name: cluster }, `: all ${formatCount(nodes.length)} nodes have failed`],
    detail: [describeProblemCounts(nodes.map((node) => node.problems[0] ?? "failed"))],
    href: hrefOfObject({ kind: "cluster", cluster }),
  }));
}

function describeNodesOfCluster(
  cluster: string,
  nodes: readonly NodeProblem[],
  affectedPods: ReadonlyMap<string, number>,
  now: number,
): Finding[] {
  const byProblem = groupBy(nodes, (node) => `${node.health} ${node.problems[0] ?? ""}`);
  return [...byProblem.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined) return [];
    if (same.length < GROUP_SIZE) return same.map((node) => describeNode(node, affectedPods, now));
    const problem = first.problems[0] ?? first.health;
    return [
      {
        key: `nodes ${cluster}\0${first.health} ${problem}`,
        health: first.health,
        rank: rankNode(first),
        count: same.length,
        title: [`${formatCount(same.length)} nodes of `, { name: cluster }, `: ${problem}`],
        detail: listNames(same.map((node) => node.name)),
        href: hrefOf({ screen: "table", kind: "nodes" }, { cluster, sort: "health,name" }),
      },
    ];
  });
}

function rankNode({ problems }: NodeProblem): number {
  return problems[0] === "cordoned" ? RANKS.cordoned : RANKS.node;
}

function describeNode(node: NodeProblem, affectedPods: ReadonlyMap<string, number>, now: number): Finding {
  const { cluster, name, health, lastSeen } = node;
  const affected = affectedPods.get(nodeKey(cluster, name)) ?? 0;
  const detail: Part[] = ["node of ", { name: cluster }];
  if (health === "failed" && !Number.isNaN(lastSeen)) {
    detail.push(`, last seen ${formatAge(lastSeen, now)} ago (${formatRecentTime(lastSeen, now)})`);
  }
  if (affected > 0) detail.push(`, ${formatQuantity(affected, "pod")} on it with problems`);
  return {
    key: `node ${cluster}\0${name}`,
    health,
    rank: rankNode(node),
    count: 1,
    title: [{ name }, `: ${node.problems.join(", ") || health}`],
    detail,
    href: hrefOfObject({ kind: "node", cluster, node: name }),
  };
}

function describeProblemCounts(problems: readonly string[]): string {
  const counts = [...groupBy(problems, (problem) => problem)].sort(([, left], [, right]) => right.length - left.length);
  if (counts.length === 1) return counts[0]?.[0] ?? "";
  const shown = counts.slice(0, 3).map(([problem, same]) => `${problem} (${formatCount(same.length)})`);
  return counts.length > 3 ? `${shown.join(", ")}, …` : shown.join(", ");
}

function findFullNodes({ fullFilesystems, fullMemories }: NodeScan): Finding[] {
  return [
    ...describeFullNodes(fullFilesystems, "file system", "filesystemUsagePercent"),
    ...describeFullNodes(fullMemories, "memory", "memoryUsagePercent"),
  ];
}

function describeFullNodes(nodes: readonly FullNode[], what: string, column: string): Finding[] {
  const sorted = [...nodes].sort((left, right) => right.ratio - left.ratio);
  const [fullest] = sorted;
  if (fullest === undefined) return [];
  if (nodes.length >= GROUP_SIZE) {
    return [
      {
        key: `full ${what}`,
        health: "warning",
        rank: RANKS.full,
        count: nodes.length,
        title: [`${formatCount(nodes.length)} nodes: ${what} nearly full`],
        detail: [`up to ${formatRatio(fullest.ratio)}: `, ...listNames(sorted.map((node) => node.name))],
        href: hrefOf({ screen: "table", kind: "nodes" }, { sort: `-${column}` }),
      },
    ];
  }
  return sorted.map(({ cluster, name, ratio, filesystem }) => ({
    key: `full ${what} ${nodeKey(cluster, name)}`,
    health: "warning",
    rank: RANKS.full,
    count: 1,
    title: [{ name }, ratio >= NEARLY_FULL ? `: ${what} ${formatRatio(ratio)} full` : `: ${what} nearly full`],
    detail: ["node of ", { name: cluster }, ...(filesystem === "" ? [] : [", ", { name: filesystem }])],
    href: hrefOfObject({ kind: "node", cluster, node: name }),
  }));
}
