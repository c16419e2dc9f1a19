/** How values become colours: the classes of a scale, with words for the legend, and the class of each object. */
import type { Colour } from "../../components/palette";
import type { Summary } from "../../data/summary";
import { formatBytes, formatCores, formatDuration, formatRatio, safeText } from "../../format";

export interface ScaleClass {
  readonly colour: Colour;
  readonly label: string;
}

/** A scale applied to objects. */
export interface Scaled {
  readonly title: string;
  readonly classes: readonly ScaleClass[];
  /** The class of each object. */
  readonly classOf: Uint8Array;
  /** How many objects each class has. */
  readonly counts: readonly number[];
  textOf(row: number): string;
}

export type Scale = (objects: Summary, now: number) => Scaled;

export interface ColourMode {
  readonly label: string;
  readonly nodes: Scale | null;
  readonly pods: Scale | null;
}

/** The values of `health` in the order of their codes. */
export const HEALTHS = ["ok", "warning", "failed", "unknown"] as const;
export type Health = (typeof HEALTHS)[number];

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const STEPS: readonly Colour[] = ["step-0", "step-1", "step-2", "step-3", "step-4"];
const CATEGORY_COUNT = 8;
const NOT_KNOWN: ScaleClass = { colour: "unknown", label: "not known" };

const byHealth: Scale = (objects) =>
  apply(objects, {
    title: "Health",
    classes: HEALTHS.map((health) => ({ colour: health, label: health })),
    classify: (row) => healthCode(objects.text("health", row)),
    textOf: (row) => objects.text("problems", row) || describeHealth(objects.text("health", row)),
  });

const byNodeCpu: Scale = (nodes) =>
  steps(nodes, "CPU in use", (row) => nodes.number("cpuUsagePercent", row) / 100, RATIOS);

const byNodeMemory: Scale = (nodes) =>
  steps(nodes, "Memory in use", (row) => nodes.number("memoryUsagePercent", row) / 100, RATIOS);

const byFreeMemory: Scale = (nodes) =>
  steps(nodes, "Available memory", (row) => nodes.number("availableMemoryBytes", row), FREE_BYTES);

const byLastSeen: Scale = (nodes, now) =>
  steps(nodes, "Last sample", (row) => now - nodes.number("lastSeenTime", row), SILENCES);

const byPodCpu: Scale = (pods) => steps(pods, "CPU in use", (row) => pods.number("cpuUsageCores", row), CORES);

const byPodMemory: Scale = (pods) => steps(pods, "Memory in use", (row) => pods.number("memoryBytes", row), BYTES);

const byStart: Scale = (pods, now) => steps(pods, "Started", (row) => now - pods.number("startTime", row), AGES);

/** Nothing is said of what is ok. */
function describeHealth(health: string): string {
  return health === "ok" ? "" : health;
}

/** What can be chosen for `colour` in the address. */
export const COLOUR_MODES = {
  health: { label: "Health", nodes: byHealth, pods: byHealth },
  cpu: { label: "CPU", nodes: byNodeCpu, pods: byPodCpu },
  memory: { label: "Memory", nodes: byNodeMemory, pods: byPodMemory },
  free: { label: "Available memory", nodes: byFreeMemory, pods: null },
  age: { label: "Age", nodes: byLastSeen, pods: byStart },
  type: { label: "Type", nodes: byCategory("Type", "type"), pods: null },
  architecture: { label: "Architecture", nodes: byCategory("Architecture", "architecture"), pods: null },
  engine: { label: "Container engine", nodes: byCategory("Container engine", "engine"), pods: null },
} satisfies Record<string, ColourMode>;

/** Return the mode of this name. Names in addresses can be anything: others are the mode `health`. */
export function colourModeOf(name: string): ColourMode {
  return Object.hasOwn(COLOUR_MODES, name) ? COLOUR_MODES[name as keyof typeof COLOUR_MODES] : COLOUR_MODES.health;
}

export function healthCode(health: string): number {
  const code = (HEALTHS as readonly string[]).indexOf(health);
  return code < 0 ? HEALTHS.indexOf("unknown") : code;
}

/** From 0, nothing to do, to 3. Health that is not known is better than a known problem. */
export function severityOf(code: number): number {
  return [0, 2, 3, 1][code] ?? 0;
}

interface Steps {
  readonly bounds: readonly number[];
  readonly format: (value: number) => string;
  /** The first class is the one to look at. */
  readonly isLowWorse?: boolean;
}

const RATIOS: Steps = { bounds: [0.2, 0.4, 0.6, 0.8], format: formatRatio };
const CORES: Steps = { bounds: [0.01, 0.1, 0.5, 1], format: formatCores };
const BYTES: Steps = { bounds: [64 * MIB, 256 * MIB, GIB, 4 * GIB], format: formatBytes };
const FREE_BYTES: Steps = { bounds: [256 * MIB, GIB, 4 * GIB, 16 * GIB], format: formatBytes, isLowWorse: true };
const SILENCES: Steps = { bounds: [60, 300, 900, 3600], format: formatDuration };
const AGES: Steps = { bounds: [600, 3600, 86_400, 7 * 86_400], format: formatDuration };

function steps(objects: Summary, title: string, measure: (row: number) => number, of: Steps): Scaled {
  const { bounds, format, isLowWorse = false } = of;
  const labels = [
    `less than ${format(bounds[0] ?? 0)}`,
    ...bounds.slice(0, -1).map((bound, index) => `${format(bound)} to ${format(bounds[index + 1] ?? 0)}`),
    `${format(bounds.at(-1) ?? 0)} or more`,
  ];
  const colours = isLowWorse ? STEPS.toReversed() : STEPS;
  const known = labels.map((label, index): ScaleClass => ({ colour: colours[index] ?? "other", label }));
  return apply(objects, {
    title,
    classes: [...known, NOT_KNOWN],
    classify: (row) => stepOf(measure(row), bounds),
    textOf: (row) => format(measure(row)),
  });
}

function stepOf(value: number, bounds: readonly number[]): number {
  if (Number.isNaN(value)) return bounds.length + 1;
  const index = bounds.findIndex((bound) => value < bound);
  return index < 0 ? bounds.length : index;
}

function byCategory(title: string, column: string): Scale {
  return (objects) => {
    const names = new Set<string>();
    for (let row = 0; row < objects.count; row += 1) names.add(objects.text(column, row));
    names.delete("");
    const sorted = [...names].sort();
    const shown = sorted.slice(0, CATEGORY_COUNT);
    const classes = shown.map((name, index): ScaleClass => {
      return { colour: `category-${index}` as Colour, label: safeText(name, 40) };
    });
    if (sorted.length > shown.length) {
      classes.push({ colour: "other", label: `${sorted.length - shown.length} others` });
    }
    const codes = new Map(sorted.map((name, index) => [name, Math.min(index, CATEGORY_COUNT)]));
    return apply(objects, {
      title,
      classes: [...classes, NOT_KNOWN],
      classify: (row) => codes.get(objects.text(column, row)) ?? classes.length,
      textOf: (row) => objects.text(column, row),
    });
  };
}

interface Classifier {
  readonly title: string;
  readonly classes: readonly ScaleClass[];
  readonly classify: (row: number) => number;
  readonly textOf: (row: number) => string;
}

function apply(objects: Summary, { title, classes, classify, textOf }: Classifier): Scaled {
  const classOf = new Uint8Array(objects.count);
  const counts = classes.map(() => 0);
  for (let row = 0; row < objects.count; row += 1) {
    const code = classify(row);
    classOf[row] = code;
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return { title, classes, classOf, counts, textOf };
}
