/** Facts about something on the map. */
import { HealthBadge } from "../../components/health";
import { Name } from "../../components/name";
import { toHealth } from "../../data/health";
import type { Summary } from "../../data/summary";
import {
  capitalize,
  formatAge,
  formatBytes,
  formatCelsius,
  formatCores,
  formatCount,
  formatQuantity,
  formatRatio,
  safeText,
} from "../../format";
import { hrefOfObject, type ObjectRef } from "../../router";
import { shownInstant } from "../../time/shown";
import { countryName, GROUPINGS } from "./fleet";
import type { Picture, Target } from "./picture";
import { objectOf } from "./tree";

/** A label and its value. Values that are not known are empty. */
type Fact = readonly [label: string, value: string];

export interface Facts {
  readonly kind: string;
  readonly name: string;
  /** An empty text if the health of such a thing is not known as a whole. */
  readonly health: string;
  readonly problems: string;
  readonly facts: readonly Fact[];
  readonly object: ObjectRef | null;
}

/** Return what is known of something on the map; `now` is in milliseconds, as of Date.now(). */
export function factsOf(picture: Picture, target: Target, now: number): Facts {
  const object = objectOf(picture, target);
  switch (target.kind) {
    case "group":
      return { ...groupFacts(picture, target.key), object };
    case "cell":
      return { ...cellFacts(picture, target.cell, now), object };
    case "pod":
      return { ...podFacts(picture, target.pod, now), object };
  }
}

type Described = Omit<Facts, "object">;

function groupFacts({ fleet, grouping, groups }: Picture, key: string): Described {
  const { clusters } = fleet;
  const row = grouping === "cluster" ? clusters.rowOf([key]) : -1;
  if (row < 0) {
    const group = groups.find((candidate) => candidate.key === key);
    const nodeCount = group ? [...group.cells].filter((cell) => (fleet.cells[cell]?.row ?? -1) >= 0).length : 0;
    const facts: Fact[] = group
      ? [["Nodes", formatCount(nodeCount)]]
      : [["State", shownInstant.value === null ? "gone" : "not there at this time"]];
    return { kind: GROUPINGS[grouping].toLowerCase(), name: group?.label ?? key, health: "", problems: "", facts };
  }
  const number = (column: string) => clusters.number(column, row);
  return {
    kind: "cluster",
    name: key,
    ...healthOf(clusters, row),
    facts: [
      ["Type", safeText(clusters.text("type", row), 60)],
      ["Nodes", formatWithFailed(number("nodeCount"), number("failedNodeCount"))],
      ["Pods", formatWithFailed(number("podCount"), number("failedPodCount"))],
      ["CPU in use", formatShare(number("cpuUsageCores"), number("cpuCores"), formatCores)],
      ["Available memory", formatShare(number("availableMemoryBytes"), number("memoryBytes"), formatBytes)],
      ["ClusterLink", number("isLinked") === 1 ? "linked" : ""],
    ],
  };
}

function cellFacts(picture: Picture, cell: number, now: number): Described {
  const { fleet } = picture;
  const { row = -1, cluster = "" } = fleet.cells[cell] ?? {};
  const podCount = fleet.podsOf(cell).length;
  if (row >= 0) return nodeFacts(fleet.nodes, row, now, podCount);
  const facts: Fact[] = [
    ["Cluster", safeText(cluster, 80)],
    ["Pods", formatCount(podCount)],
  ];
  return { kind: "", name: picture.labelOfCell(cell), health: "", problems: "", facts };
}

/** Return what is known of a node in a row of the summary. */
export function nodeFacts(
  nodes: Summary,
  row: number,
  now: number,
  podCount = nodes.number("podCount", row),
): Described {
  const number = (column: string) => nodes.number(column, row);
  const text = (column: string) => safeText(nodes.text(column, row), 80);
  const place = [text("city"), countryName(nodes.text("country", row))].filter(Boolean).join(", ");
  return {
    kind: "node",
    name: nodes.text("name", row),
    ...healthOf(nodes, row),
    facts: [
      ["Cluster", text("cluster")],
      ["Pods", formatWithFailed(podCount, number("failedPodCount"))],
      ["CPU in use", formatShare(number("cpuUsagePercent") / 100, number("cpuCores"), formatRatio, formatCores)],
      ["Available memory", formatShare(number("availableMemoryBytes"), number("memoryBytes"), formatBytes)],
      ["Fullest file system", withDetail(formatRatio(number("filesystemUsagePercent") / 100), text("filesystemName"))],
      ["Temperature", formatCelsius(number("temperatureCelsius"))],
      ["Type", [text("type"), text("engine"), text("architecture")].filter(Boolean).join(", ")],
      ["Place", place],
      ["Last seen", formatAgo(number("lastSeenTime"), now)],
    ],
  };
}

function podFacts({ fleet }: Picture, row: number, now: number): Described {
  const { pods } = fleet;
  const number = (column: string) => pods.number(column, row);
  const text = (column: string) => safeText(pods.text(column, row), 80);
  return {
    kind: "pod",
    name: pods.text("name", row),
    ...healthOf(pods, row),
    facts: [
      ["Cluster", text("cluster")],
      ["Namespace", text("namespace")],
      ["Node", text("node")],
      ["Workload", text("workload")],
      ["Phase", text("phase")],
      ["Containers", formatCount(number("containerCount"))],
      ["Restarts", formatCount(number("restartCount"))],
      ["CPU in use", formatCores(number("cpuUsageCores"))],
      ["Memory in use", formatBytes(number("memoryBytes"))],
      ["Started", formatAgo(number("startTime"), now)],
    ],
  };
}

function healthOf(objects: Summary, row: number): { health: string; problems: string } {
  return { health: objects.text("health", row), problems: safeText(objects.text("problems", row), 200) };
}

function formatWithFailed(count: number, failed: number): string {
  return withDetail(formatCount(count), failed > 0 ? formatQuantity(failed, "failed", "failed") : "");
}

function formatShare(
  part: number,
  whole: number,
  format: (value: number) => string,
  formatWhole: (value: number) => string = format,
): string {
  if (Number.isNaN(part)) return "";
  return Number.isNaN(whole) ? format(part) : `${format(part)} of ${formatWhole(whole)}`;
}

function withDetail(text: string, detail: string): string {
  return text && detail ? `${text} (${detail})` : text;
}

function formatAgo(time: number, now: number): string {
  const age = formatAge(time, now);
  return age && `${age} ago`;
}

interface FactsViewProps {
  readonly facts: Facts;
  /** Whether the name is a link to the object. */
  readonly isLink?: boolean;
}

export function FactsView({ facts: { kind, name, health, problems, facts, object }, isLink = false }: FactsViewProps) {
  return (
    <>
      <p class="fact-title">
        {kind && <span class="kind">{capitalize(kind)} </span>}
        {isLink && object ? (
          <a href={hrefOfObject(object)}>
            <Name text={name} />
          </a>
        ) : (
          <Name text={name} />
        )}
      </p>
      {health && <HealthBadge health={toHealth(health)} text={problems} />}
      <dl class="fact-list">
        {facts.map(
          ([label, value]) =>
            value && (
              <div key={label}>
                <dt>{label}</dt>
                <dd>
                  <bdi>{value}</bdi>
                </dd>
              </div>
            ),
        )}
      </dl>
    </>
  );
}
