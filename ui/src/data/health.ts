/** The health of objects, as the API judges it. */

/** From the worst. Indexes of it are what the map and the world compute with. */
export const HEALTHS = ["failed", "warning", "unknown", "ok"] as const;

export type Health = (typeof HEALTHS)[number];

export function toHealth(text: string): Health {
  return HEALTHS[healthCode(text)] ?? "unknown";
}

/** The index in HEALTHS; what is not known by name is unknown. */
export function healthCode(text: string): number {
  const code = (HEALTHS as readonly string[]).indexOf(text);
  return code < 0 ? HEALTHS.indexOf("unknown") : code;
}
