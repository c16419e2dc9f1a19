/** Draws the world on a canvas: land, and a counted mark for hosts that are near one another. */
import type { Palette } from "../../components/palette";
import type { View } from "../../components/zoom_canvas";
import { HEALTHS, healthCode } from "../../data/health";
import type { Earth } from "./earth";
import type { Gathering } from "./gather";
import { type HealthCounts, worstOf } from "./places";

/** A gathering with what is known of the hosts in it that match the filter. */
export interface Spot {
  readonly gathering: Gathering;
  /** How many hosts match. */
  readonly count: number;
  readonly healths: HealthCounts;
}

interface SpotMarks {
  readonly selected: Spot | null;
  readonly hovered: Spot | null;
}

const DIMMED = 0.3;
const FONT_SIZE = 12;
/** Marks with such a radius, in CSS pixels, have room for two lines of text. */
const TWO_LINES_FROM = 19;

export function paintWorld(
  context: CanvasRenderingContext2D,
  view: View,
  palette: Palette,
  earth: Earth,
  spots: readonly Spot[],
  marks: SpotMarks,
): void {
  paintLand(context, view, palette, earth);
  context.font = `600 ${FONT_SIZE * view.ratio}px ${palette.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  // The worst and the largest are on top.
  for (const spot of spots.toSorted((left, right) => rankOf(left) - rankOf(right))) {
    if (isVisible(spot, view)) paintSpot(context, view, palette, spot);
  }
  if (marks.hovered) outline(context, view, marks.hovered, palette.text, 1.5);
  if (marks.selected) outline(context, view, marks.selected, palette.accent, 3);
  context.textAlign = "start";
}

function rankOf({ count, healths }: Spot): number {
  return count === 0 ? -1 : (HEALTHS.length - worstOf(healths)) * 1_000_000 + count;
}

function paintLand(context: CanvasRenderingContext2D, view: View, palette: Palette, { land, sphere }: Earth): void {
  const { k, x, y, ratio, width, height } = view;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 1;
  context.fillStyle = palette.background;
  context.fillRect(0, 0, width * ratio, height * ratio);
  context.setTransform(k * ratio, 0, 0, k * ratio, x * ratio, y * ratio);
  context.fillStyle = palette.surface;
  context.fill(sphere);
  context.fillStyle = palette.land;
  context.fill(land);
  context.strokeStyle = palette.border;
  context.lineWidth = 1 / k;
  context.stroke(land);
  context.stroke(sphere);
  context.setTransform(1, 0, 0, 1, 0, 0);
}

/** Return the radius of the mark of so many hosts, in CSS pixels. */
export function radiusOf(count: number): number {
  return count <= 1 ? 8 : Math.min(26, 10 + 3 * Math.log2(count));
}

/** Return the spot at a point of the canvas, in CSS pixels: the one on top. */
export function spotAt(
  spots: readonly Spot[],
  view: Pick<View, "k" | "x" | "y">,
  left: number,
  top: number,
): Spot | null {
  let found: Spot | null = null;
  for (const spot of spots) {
    const { gathering } = spot;
    const distance = Math.hypot(gathering.x * view.k + view.x - left, gathering.y * view.k + view.y - top);
    // A mark for one host is small: what is near it means it.
    const reach = Math.max(12, radiusOf(gathering.rows.length) + 2);
    if (distance <= reach && (found === null || rankOf(spot) >= rankOf(found))) found = spot;
  }
  return found;
}

function isVisible({ gathering }: Spot, { k, x, y, width, height }: View): boolean {
  const margin = radiusOf(gathering.rows.length) * 2;
  const [left, top] = [gathering.x * k + x, gathering.y * k + y];
  return left > -margin && top > -margin && left < width + margin && top < height + margin;
}

function paintSpot(context: CanvasRenderingContext2D, view: View, palette: Palette, spot: Spot): void {
  const { ratio } = view;
  const health = worstOf(spot.healths);
  const [x, y] = [(spot.gathering.x * view.k + view.x) * ratio, (spot.gathering.y * view.k + view.y) * ratio];
  const radius = radiusOf(spot.gathering.rows.length) * ratio;
  const isDimmed = spot.count === 0;
  context.globalAlpha = isDimmed ? DIMMED : 1;
  context.beginPath();
  traceShape(context, health, x, y, radius);
  context.lineJoin = "round";
  context.strokeStyle = palette.background;
  context.lineWidth = 4 * ratio;
  context.stroke();
  context.fillStyle = palette.fills[health] ?? "";
  context.fill();
  context.strokeStyle = palette.text;
  context.lineWidth = 1.25 * ratio;
  context.setLineDash(HEALTHS[health] === "unknown" ? [3 * ratio, 2 * ratio] : []);
  context.stroke();
  context.setLineDash([]);
  if (spot.count > 1) {
    context.fillStyle = palette.inks[health] ?? palette.text;
    paintCount(context, spot, x, y, view.ratio);
  }
  context.globalAlpha = 1;
}

/** The number of hosts, or how many of them have the problem. */
function paintCount(context: CanvasRenderingContext2D, spot: Spot, x: number, y: number, ratio: number): void {
  const health = worstOf(spot.healths);
  const affected = spot.healths[health] ?? 0;
  const isPart = health < healthCode("unknown") && affected < spot.count;
  if (!isPart || radiusOf(spot.gathering.rows.length) < TWO_LINES_FROM) {
    context.fillText(formatShort(spot.count), x, y + ratio);
    return;
  }
  context.fillText(formatShort(affected), x, y - 5 * ratio);
  context.fillText(`of ${formatShort(spot.count)}`, x, y + 9 * ratio);
}

/** Add the shape of a health to the path, as in the marks of the page: disc, triangle, octagon. */
function traceShape(context: CanvasRenderingContext2D, health: number, x: number, y: number, radius: number): void {
  switch (HEALTHS[health]) {
    case "failed":
      tracePolygon(context, x, y, radius * 1.08, 8, Math.PI / 8);
      break;
    case "warning":
      tracePolygon(context, x, y, radius * 1.4, 3, -Math.PI / 2);
      break;
    default:
      context.moveTo(x + radius, y);
      context.arc(x, y, radius, 0, 2 * Math.PI);
  }
}

function tracePolygon(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  corners: number,
  start: number,
): void {
  for (let corner = 0; corner < corners; corner += 1) {
    const angle = start + (2 * Math.PI * corner) / corners;
    const [cornerX, cornerY] = [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
    if (corner === 0) context.moveTo(cornerX, cornerY);
    else context.lineTo(cornerX, cornerY);
  }
  context.closePath();
}

function formatShort(count: number): string {
  return count < 1000 ? String(count) : `${(count / 1000).toFixed(1)}k`;
}

function outline(context: CanvasRenderingContext2D, view: View, spot: Spot, colour: string, width: number): void {
  const { ratio } = view;
  const radius = (radiusOf(spot.gathering.rows.length) * 1.4 + 3) * ratio;
  context.beginPath();
  context.arc(
    (spot.gathering.x * view.k + view.x) * ratio,
    (spot.gathering.y * view.k + view.y) * ratio,
    radius,
    0,
    2 * Math.PI,
  );
  context.strokeStyle = colour;
  context.lineWidth = width * ratio;
  context.stroke();
}
