/** How much of its capacity an object uses, as bars. */

import { Bar, NEARLY_FULL } from "../../components/bar";
import { formatBytes, formatCores, formatCount, formatNumber, formatRatio, safeText } from "../../format";
import { type Resource, WARN_FROM } from "../usage_bar";
import { type JsonObject, listField, numberField, textField } from "./fields";
import { filesystemRatio } from "./node_explanations";

interface Gauge {
  readonly label: string;
  readonly ratio: number;
  readonly text: string;
  readonly warnFrom: number | null;
}

/** Busy processors are used as intended, and requests are meant to fill a node. */
const NEVER = null;

export function NodeUsage({ node }: { readonly node: JsonObject }) {
  return <GaugeList gauges={listNodeGauges(node)} />;
}

/** What is known of: processors, memory, file systems, and what pods have requested. */
function listNodeGauges(node: JsonObject): Gauge[] {
  const number = (name: string) => numberField(node, name);
  const cores = number("cpuCores");
  const memory = number("memoryBytes");
  const used = number("memoryUsagePercent") / 100;
  return [
    {
      label: "CPU",
      ratio: number("cpuUsagePercent") / 100,
      text: withCapacity(formatRatio(number("cpuUsagePercent") / 100), formatCores(cores)),
      warnFrom: NEVER,
    },
    predicted("CPU, predicted", number("cpuUsagePredictedPercent"), NEVER),
    {
      label: "CPU requested",
      ...share(number("requestedCpuCores"), number("allocatableCpuCores"), formatCores, formatNumber),
      warnFrom: NEVER,
    },
    { label: "Memory", ratio: used, text: withCapacity(formatRatio(used), formatBytes(memory)), warnFrom: NEARLY_FULL },
    predicted("Memory, predicted", number("memoryUsagePredictedPercent"), NEARLY_FULL),
    {
      label: "Memory requested",
      ...share(number("requestedMemoryBytes"), number("allocatableMemoryBytes"), formatBytes),
      warnFrom: NEVER,
    },
    { label: "Pods", ...share(number("podCount"), number("allocatablePods"), formatCount), warnFrom: NEVER },
    ...listField(node, "filesystems").map((filesystem) => {
      const ratio = filesystemRatio(filesystem);
      const size = formatBytes(numberField(filesystem, "sizeBytes"));
      const label = `Disk ${safeText(textField(filesystem, "name"), 40)}`;
      return { label, ratio, text: withCapacity(formatRatio(ratio), size), warnFrom: NEARLY_FULL };
    }),
    ...listField(node, "gpus").flatMap((gpu, index, gpus) => listGpuGauges(gpu, gpus.length > 1 ? ` ${index}` : "")),
  ].filter(({ ratio }) => !Number.isNaN(ratio));
}

function listGpuGauges(gpu: JsonObject, suffix: string): Gauge[] {
  const use = numberField(gpu, "utilizationPercent") / 100;
  return [
    { label: `GPU${suffix}`, ratio: use, text: formatRatio(use), warnFrom: NEVER },
    {
      label: `GPU memory${suffix}`,
      ...share(numberField(gpu, "usedMemoryBytes"), numberField(gpu, "memoryBytes"), formatBytes),
      warnFrom: NEARLY_FULL,
    },
  ];
}

function predicted(label: string, percent: number, warnFrom: number | null): Gauge {
  return { label, ratio: percent / 100, text: formatRatio(percent / 100), warnFrom };
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
export function ContainerUse({ container, what }: { readonly container: JsonObject; readonly what: Resource }) {
  const [usedName, limitName, format] =
    what === "cpu"
      ? (["cpuUsageCores", "cpuLimitCores", formatCores] as const)
      : (["memoryBytes", "memoryLimitBytes", formatBytes] as const);
  const used = numberField(container, usedName);
  const limit = numberField(container, limitName);
  if (Number.isNaN(used)) return null;
  if (!(limit > 0)) return <>{format(used)}</>;
  return <Bar ratio={used / limit} text={`${format(used)} of ${format(limit)}`} warnFrom={WARN_FROM[what]} />;
}

function GaugeList({ gauges }: { readonly gauges: readonly Gauge[] }) {
  if (gauges.length === 0) return <p class="quiet-text">No usage data.</p>;
  return (
    <dl class="gauges">
      {gauges.map(({ label, ratio, text, warnFrom }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            <Bar ratio={ratio} text={text} warnFrom={warnFrom} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
