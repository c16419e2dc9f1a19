/** The health of an object: by shape, text and colour. */

import type { Health } from "../data/health";

const TEXTS: Readonly<Record<Health, string>> = { ok: "OK", warning: "Warning", failed: "Failed", unknown: "Unknown" };

export function healthText(health: Health): string {
  return TEXTS[health];
}

interface HealthIconProps {
  readonly health: Health;
  /** What it says to those who do not see it. Without one, a text beside it says so. */
  readonly label?: string;
}

/** A disc with a tick, a triangle, an octagon with a cross, or a ring: different without colour. */
export function HealthIcon({ health, label }: HealthIconProps) {
  if (label === undefined) {
    return (
      <svg class={`health-icon ${health}`} viewBox="0 0 16 16" aria-hidden="true">
        {shapeOf(health)}
      </svg>
    );
  }
  return (
    <svg class={`health-icon ${health}`} viewBox="0 0 16 16" role="img" aria-label={label}>
      <title>{label}</title>
      {shapeOf(health)}
    </svg>
  );
}

function shapeOf(health: Health) {
  switch (health) {
    case "ok":
      return (
        <>
          <circle cx="8" cy="8" r="7" />
          <path class="mark" d="M4.5 8.3 7 10.8 11.5 5.5" />
        </>
      );
    case "warning":
      return (
        <>
          <path d="M8 1 15.5 14.5H.5Z" />
          <path class="mark" d="M8 6v4M8 12v.6" />
        </>
      );
    case "failed":
      return (
        <>
          <path d="M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5Z" />
          <path class="mark" d="M5.2 5.2l5.6 5.6M10.8 5.2l-5.6 5.6" />
        </>
      );
    default:
      return <circle class="ring" cx="8" cy="8" r="6" />;
  }
}

interface HealthBadgeProps {
  readonly health: Health;
  /** Instead of the word for the health: what is wrong. */
  readonly text?: string;
}

export function HealthBadge({ health, text }: HealthBadgeProps) {
  return (
    <span class={`health ${health}`}>
      <HealthIcon health={health} />
      <span>{text || TEXTS[health]}</span>
    </span>
  );
}
