import { HEALTHS, type Health, healthCode } from "../data/health";
import type { Summary } from "../data/summary";

/** The index in HEALTHS of the health of each object, without making a string for each. */
export function healthCodes(summary: Summary): Uint8Array {
  const categories = summary.categories("health");
  if (categories === null) {
    return Uint8Array.from({ length: summary.count }, (_, row) => healthCode(summary.text("health", row)));
  }
  const codes = categories.names.map(healthCode);
  return Uint8Array.from(categories.indexes, (index) => codes[index] ?? healthCode(""));
}

/** How many objects have each health. */
export function countHealth(summary: Summary): Readonly<Record<Health, number>> {
  const counts = { failed: 0, warning: 0, unknown: 0, ok: 0 };
  for (const code of healthCodes(summary)) counts[HEALTHS[code] ?? "unknown"] += 1;
  return counts;
}
