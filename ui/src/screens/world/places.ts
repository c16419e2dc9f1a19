/** Where hosts are: those with a position, and the places that have them. */
import { healthCode } from "../../data/health";
import type { Summary } from "../../data/summary";
import { safeText } from "../../format";
import { joinKey } from "../../router";
import { equals, joinFilters } from "../filters";
import { countryName } from "../map/fleet";

/** How many hosts have each health, in the order of HEALTHS. */
export type HealthCounts = readonly [number, number, number, number];

/** A city, or a part of the earth without one. */
export interface Place {
  /** What selects it in the address. */
  readonly key: string;
  readonly label: string;
  /** Rows of the summary of nodes. */
  readonly hosts: readonly number[];
  /** What finds its hosts in the table of nodes, "" if nothing does. */
  readonly filter: string;
}

const COLLATOR = new Intl.Collator("en", { numeric: true });

/** Return the rows of the nodes that have a position. */
export function findLocated(nodes: Summary): number[] {
  const located: number[] = [];
  for (let row = 0; row < nodes.count; row += 1) {
    if (Number.isFinite(nodes.number("latitude", row)) && Number.isFinite(nodes.number("longitude", row))) {
      located.push(row);
    }
  }
  return located;
}

/** Return the places of hosts, sorted by country and city. Without a city, hosts of the same degree are together. */
export function listPlaces(nodes: Summary, located: readonly number[]): Place[] {
  const places = new Map<string, { label: string; hosts: number[]; filter: string }>();
  for (const row of located) {
    const key = placeKeyOf(nodes, row);
    const place = places.get(key);
    if (place) place.hosts.push(row);
    else places.set(key, { label: labelOf(nodes, row), hosts: [row], filter: filterOf(nodes, row) });
  }
  return [...places]
    .map(([key, place]) => ({ key, ...place }))
    .sort((left, right) => COLLATOR.compare(left.label, right.label));
}

export function placeKeyOf(nodes: Summary, row: number): string {
  const city = nodes.text("city", row);
  return city
    ? joinKey("place", nodes.text("country", row), city)
    : joinKey("position", ...degreesOf(nodes, row).map(String));
}

function labelOf(nodes: Summary, row: number): string {
  const city = nodes.text("city", row);
  if (city) return [safeText(city, 60), countryName(nodes.text("country", row))].filter(Boolean).join(", ");
  const [latitude = 0, longitude = 0] = degreesOf(nodes, row);
  return `${formatDegrees(latitude, "N", "S")} ${formatDegrees(longitude, "E", "W")}`;
}

function filterOf(nodes: Summary, row: number): string {
  const city = nodes.text("city", row);
  const country = nodes.text("country", row);
  return city ? joinFilters(equals("city", city), country && equals("country", country)) : "";
}

function degreesOf(nodes: Summary, row: number): number[] {
  return [Math.round(nodes.number("latitude", row)), Math.round(nodes.number("longitude", row))];
}

function formatDegrees(degrees: number, positive: string, negative: string): string {
  return `${Math.abs(degrees)}° ${degrees < 0 ? negative : positive}`;
}

export function countHealths(nodes: Summary, rows: readonly number[]): HealthCounts {
  const counts: [number, number, number, number] = [0, 0, 0, 0];
  for (const row of rows) counts[healthCode(nodes.text("health", row)) as 0 | 1 | 2 | 3] += 1;
  return counts;
}

/** Return the index of HEALTHS of the worst health that any host has. */
export function worstOf(counts: HealthCounts): number {
  const worst = counts.findIndex((count) => count > 0);
  return worst < 0 ? healthCode("unknown") : worst;
}
