/** A share as a bar with its value as text. */

export interface Thresholds {
  readonly warning: number;
  readonly failed: number;
}

export const USAGE_THRESHOLDS: Thresholds = { warning: 0.8, failed: 0.95 };

export type BarLevel = "ok" | "warning" | "failed" | "unknown";

export function barLevel(ratio: number, { warning, failed }: Thresholds): BarLevel {
  if (Number.isNaN(ratio)) return "unknown";
  if (ratio >= failed) return "failed";
  return ratio >= warning ? "warning" : "ok";
}

const MARKS: Readonly<Record<BarLevel, string>> = { ok: "", warning: "▲", failed: "■", unknown: "" };

interface BarProps {
  /** The share that is full, from 0 to 1; NaN is unknown. */
  readonly ratio: number;
  readonly text: string;
  readonly title?: string;
  readonly thresholds?: Thresholds;
}

/** Above a threshold, the bar is striped and the text has a mark: that does not need colour. */
export function Bar({ ratio, text, title, thresholds = USAGE_THRESHOLDS }: BarProps) {
  const level = barLevel(ratio, thresholds);
  if (level === "unknown") return <span class="unknown-value">{text || "–"}</span>;
  const width = `${Math.min(100, Math.max(0, ratio * 100))}%`;
  return (
    <span class={`bar ${level}`} title={title}>
      <span class="bar-track">
        <span class="bar-fill" style={{ width }} />
      </span>
      <span class="bar-text">
        {text}
        {MARKS[level] && <span aria-hidden="true"> {MARKS[level]}</span>}
      </span>
    </span>
  );
}
