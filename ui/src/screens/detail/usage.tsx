/** How much of its capacity an object uses, as bars. */

import { Bar, type Thresholds } from "../../components/bar";
import { formatBytes, formatCores, formatCount, formatNumber, formatRatio, safeText } from "../../format";
import { BUSY, FULL } from "../thresholds";
import { type JsonObject, listField, numberField, textField } from "./fields";
import { filesystemRatio } from "./node_causes";

interface Gauge {
  readonly label: string;
  readonly ratio: number;
  readonly text: string;
  readonly thresholds: Thresholds;
}

/** Requests are meant to fill a node. */
const PLANNED: Thresholds = { warning: 0.95, failed: Number.POSITIVE_INFINITY };

export function NodeUsage({ node }: { readonly node: JsonObject }) {
  return <GaugeList gauges={listNodeGauges(node)} />;
}

/** What is known of: processors, memory, file systems, and what pods have requested. */
export function listNodeGauges(node: JsonObject): Gauge[] {
  const number = (name: string) => numberField(node, name);
  const cores = number("cpuCores");
  const memory = number("memoryBytes");
  const used = number("memoryUsagePercent") / 100;
  return [
    {
      label: "CPU",
      ratio: number("cpuUsagePercent") / 100,
      text: withCapacity(formatRatio(number("cpuUsagePercent") / 100), formatCores(cores)),
      thresholds: BUSY,
    },
    predicted("CPU, predicted", number("cpuUsagePredictedPercent"), BUSY),
    {
      label: "CPU requested",
      ...share(number("requestedCpuCores"), number("allocatableCpuCores"), formatCores, formatNumber),
      thresholds: PLANNED,
    },
    { label: "Memory", ratio: used, text: withCapacity(formatRatio(used), formatBytes(memory)), thresholds: FULL },
    predicted("Memory, predicted", number("memoryUsagePredictedPercent"), FULL),
    {
      label: "Memory requested",
      ...share(number("requestedMemoryBytes"), number("allocatableMemoryBytes"), formatBytes),
      thresholds: PLANNED,
    },
    { label: "Pods", ...share(number("podCount"), number("allocatablePods"), formatCount), thresholds: PLANNED },
    ...listField(node, "filesystems").map((filesystem) => {
      const ratio = filesystemRatio(filesystem);
      const size = formatBytes(numberField(filesystem, "sizeBytes"));
      const label = `Disk ${safeText(textField(filesystem, "name"), 40)}`;
      return { label, ratio, text: withCapacity(formatRatio(ratio), size), thresholds: FULL };
    }),
    ...listField(node, "gpus").flatMap((gpu, index, gpus) => listGpuGauges(gpu, gpus.length > 1 ? ` ${index}` : "")),
  ].filter(({ ratio }) => !Number.isNaN(ratio));
}

function listGpuGauges(gpu: JsonObject, suffix: string): Gauge[] {
  const use = numberField(gpu, "utilizationPercent") / 100;
  return [
    { label: `GPU${suffix}`, ratio: use, text: formatRatio(use), thresholds: BUSY },
    {
      label: `GPU memory${suffix}`,
      ...share(numberField(gpu, "usedMemoryBytes"), numberField(gpu, "memoryBytes"), formatBytes),
      thresholds: FULL,
    },
  ];
}

function predicted(label: string, percent: number, thresholds: Thresholds): Gauge {
  return { label, ratio: percent / 100, text: formatRatio(percent / 100), thresholds };
}

/** "1.54 of 3.9 cores": the bar shows the share. */
function share(
  used: number,
  all: number,
  format: (value: number) => string,
  formatUsed = format,
): { ratio: number; text: string } {
  const ratio = all > 0 ? used / all : Number.NaN;
  return { ratio, text: `${formatUsed(used)} of ${format(all)}` };
}

function withCapacity(text: string, capacity: string): string {
  return capacity === "" ? text : `${text} of ${capacity}`;
}

/** What a container uses of its limits; without a limit, only how much. */
export function ContainerUse({ container, what }: { readonly container: JsonObject; readonly what: "cpu" | "memory" }) {
  const [usedName, limitName, format] =
    what === "cpu"
      ? (["cpuUsageCores", "cpuLimitCores", formatCores] as const)
      : (["memoryBytes", "memoryLimitBytes", formatBytes] as const);
  const used = numberField(container, usedName);
  const limit = numberField(container, limitName);
  if (Number.isNaN(used)) return null;
  if (!(limit > 0)) return <>{format(used)}</>;
  return (
    <Bar ratio={used / limit} text={`${format(used)} of ${format(limit)}`} thresholds={what === "cpu" ? BUSY : FULL} />
  );
}

function GaugeList({ gauges }: { readonly gauges: readonly Gauge[] }) {
  if (gauges.length === 0) return <p class="quiet-text">Nothing is known of its usage.</p>;
  return (
    <dl class="gauges">
      {gauges.map(({ label, ratio, text, thresholds }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            <Bar ratio={ratio} text={text} thresholds={thresholds} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
