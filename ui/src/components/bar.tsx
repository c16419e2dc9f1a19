/** A share as a bar with its value as text. */

/** From this share on, memory, file systems, processors and limits are nearly used up, as the API judges. */
export const NEARLY_FULL = 0.9;

export interface BarProps {
  /** The share that is full, from 0 to 1; NaN is unknown. */
  readonly ratio: number;
  readonly text: string;
  readonly title?: string | undefined;
  /** From this ratio on, the bar is a warning; null for shares that are never a problem. */
  readonly warnFrom?: number | null;
}

/** From the threshold on, the bar is striped and the text has a mark: that does not need colour. */
export function Bar({ ratio, text, title, warnFrom = NEARLY_FULL }: BarProps) {
  if (Number.isNaN(ratio)) return <span class="unknown-value">{text || "–"}</span>;
  const isWarning = warnFrom !== null && ratio >= warnFrom;
  const width = `${Math.min(100, Math.max(0, ratio * 100))}%`;
  return (
    <span class={isWarning ? "bar warning" : "bar ok"} title={title}>
      <span class="bar-track">
        <span class="bar-fill" style={{ width }} />
      </span>
      <span class="bar-text">
        {text}
        {isWarning && <span aria-hidden="true"> ▲</span>}
      </span>
    </span>
  );
}
