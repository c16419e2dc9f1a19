import { Bar } from "../components/bar";
import { formatBytes, formatCores, formatRatio } from "../format";
import { BUSY, FULL } from "./thresholds";

interface UsedBarProps {
  readonly used: number;
  readonly all: number;
  readonly what: "cpu" | "memory";
  /** Show the capacity, too. */
  readonly hasCapacity?: boolean;
}

/** How much of the processors or the memory is used. */
export function UsedBar({ used, all, what, hasCapacity = false }: UsedBarProps) {
  const ratio = all > 0 ? used / all : Number.NaN;
  const format = what === "cpu" ? formatCores : formatBytes;
  if (Number.isNaN(ratio)) return <span class="unknown-value">–</span>;
  return (
    <Bar
      ratio={ratio}
      text={hasCapacity ? `${formatRatio(ratio)} of ${format(all)}` : formatRatio(ratio)}
      title={`${format(used)} of ${format(all)}`}
      thresholds={what === "cpu" ? BUSY : FULL}
    />
  );
}
