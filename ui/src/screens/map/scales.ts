/** How values become colours: the classes of a scale, with words for the legend, and the class of each object. */
import type { Colour } from "../../components/palette";
import { HEALTHS } from "../../data/health";
import type { Summary } from "../../data/summary";
import { formatBytes, formatCores, formatDuration, formatQuantity, formatRatio, safeText } from "../../format";
import { healthCodes } from "../health_codes";

interface ScaleClass {
  readonly colour: Colour;
  readonly label: string;
}

/** A scale applied to objects. */
export interface Scaled {
  /** What the values are, within a sentence. */
  readonly title: string;
  readonly classes: readonly ScaleClass[];
  /** The class of each object. */
  readonly classOf: Uint8Array;
  /** How many objects each class has. */
  readonly counts: readonly number[];
  textOf(row: number): string;
}

type Scale = (objects: Summary, now: number) => Scaled;

export interface ColourMode {
  readonly label: string;
  readonly nodes: Scale | null;
  readonly pods: Scale | null;
}

const UNKNOWN = HEALTHS.indexOf("unknown");

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const STEPS: readonly Colour[] = ["step-0", "step-1", "step-2", "step-3", "step-4"];
const CATEGORY_COUNT = 8;
const NOT_KNOWN: ScaleClass = { colour: "unknown", label: "unknown" };

const byHealth: Scale = (objects) => {
  const codes = healthCodes(objects);
  return apply(objects, {
    title: "health",
    classes: HEALTHS.map((health) => ({ colour: health, label: health })),
    classify: (row) => codes[row] ?? UNKNOWN,
    textOf: (row) => objects.text("problems", row) || describeHealth(objects.text("health", row)),
  });
};

const byNodeCpu: Scale = (nodes) => steps(nodes, "CPU in use", percent(nodes, "cpuUsagePercent"), RATIOS);

const byNodeMemory: Scale = (nodes) => steps(nodes, "memory in use", percent(nodes, "memoryUsagePercent"), RATIOS);

const byFreeMemory: Scale = (nodes) =>
  steps(nodes, "available memory", number(nodes, "availableMemoryBytes"), FREE_BYTES);

const byLastSeen: Scale = (nodes, now) => steps(nodes, "last sample", age(nodes, "lastSeenTime", now), SILENCES);

const byPodCpu: Scale = (pods) => steps(pods, "CPU in use", number(pods, "cpuUsageCores"), CORES);

const byPodMemory: Scale = (pods) => steps(pods, "memory in use", number(pods, "memoryBytes"), BYTES);

const byStart: Scale = (pods, now) => steps(pods, "started", age(pods, "startTime", now), AGES);

/** Return what reads a column: for all rows, that is faster than to find the column for each of them. */
function number(objects: Summary, column: string): (row: number) => number {
  const values = objects.numbers(column);
  return (row) => values[row] ?? Number.NaN;
}

function percent(objects: Summary, column: string): (row: number) => number {
  const read = number(objects, column);
  return (row) => read(row) / 100;
}

function age(objects: Summary, column: string, now: number): (row: number) => number {
  const read = number(objects, column);
  return (row) => now - read(row);
}

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
  type: { label: "Type", nodes: byCategory("type", "type"), pods: null },
  architecture: { label: "Architecture", nodes: byCategory("architecture", "architecture"), pods: null },
  engine: { label: "Container engine", nodes: byCategory("container engine", "engine"), pods: null },
} satisfies Record<string, ColourMode>;

/** Return the mode of this name. Names in addresses can be anything: others are the mode `health`. */
export function colourModeOf(name: string): ColourMode {
  return Object.hasOwn(COLOUR_MODES, name) ? COLOUR_MODES[name as keyof typeof COLOUR_MODES] : COLOUR_MODES.health;
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
      classes.push({ colour: "other", label: formatQuantity(sorted.length - shown.length, "other") });
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
