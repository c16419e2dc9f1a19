/** What the canvas shows of one version: objects, where they are and in which colours. */

import { COLOURS } from "../../components/palette";
import type { Rect, Size } from "../../components/view";
import { HEALTHS } from "../../data/health";
import { safeText } from "../../format";
import { healthCodes } from "../health_codes";
import { Arrangement, type Box, type Group } from "./arrangement";
import type { Fleet, Grouping } from "./fleet";
import { isInside, rectOfSlot, slotAt } from "./grid";
import { PodPlaces, podCells } from "./pods";
import type { ColourMode, Scaled } from "./scales";

/** Something on the map. A group is a box, a cell a node. */
export type Target =
  | { readonly kind: "group"; readonly key: string }
  | { readonly kind: "cell"; readonly cell: number }
  | { readonly kind: "pod"; readonly cell: number; readonly pod: number };

/** What matches the filter: 1 for each that does, null if everything does. */
export interface Matches {
  readonly cells: Uint8Array | null;
  readonly pods: Uint8Array | null;
}

export interface Picture extends Size {
  readonly fleet: Fleet;
  readonly grouping: Grouping;
  readonly groups: readonly Group[];
  readonly arrangement: Arrangement;
  readonly pods: PodPlaces;
  /** Indexes of COLOURS, by cell and by row of the pod. */
  readonly cellColours: Uint8Array;
  readonly podColours: Uint8Array;
  /** Indexes of HEALTHS. */
  readonly cellHealths: Uint8Array;
  readonly podHealths: Uint8Array;
  /** The worst health of the pods of each cell. */
  readonly worstPodHealths: Uint8Array;
  /** The side of the cell of a pod in each group, on average, at the scale 1. */
  readonly podSides: ReadonlyMap<string, number>;
  readonly matches: Matches;
  readonly nodeScale: Scaled | null;
  readonly podScale: Scaled | null;
  labelOfCell(cell: number): string;
  valueOfCell(cell: number): string;
}

interface PictureInput {
  readonly fleet: Fleet;
  readonly grouping: Grouping;
  readonly mode: ColourMode;
  readonly matches: Matches;
  /** When the topology was queried, in Unix seconds. */
  readonly now: number;
  readonly size: Size;
}

/** Pods whose cells are smaller than this on average, in CSS pixels, are not drawn. */
const POD_FROM = 6;
/** The share of the cell of a node that its pods have, about. */
const POD_SHARE = 0.7;
const OK = HEALTHS.indexOf("ok");
const OTHER = COLOURS.indexOf("other");
const UNPLACED_LABEL = "pods without a node";

/** Makes pictures, in which objects stay where they are from one to the next. */
export class PictureMaker {
  #arrangement = new Arrangement();
  readonly #pods = new PodPlaces();
  #grouping: Grouping | undefined;
  #fleet: Fleet | undefined;
  #groups: readonly Group[] = [];

  make({ fleet, grouping, mode, matches, now, size }: PictureInput): Picture {
    this.#place(fleet, grouping, size);
    const nodeScale = mode.nodes?.(fleet.nodes, now) ?? null;
    const podScale = mode.pods?.(fleet.pods, now) ?? null;
    const podHealths = healthCodes(fleet.pods);
    const labelOfCell = (cell: number) => {
      const { row = -1, name = "" } = fleet.cells[cell] ?? {};
      return row < 0 ? UNPLACED_LABEL : safeText(name, 80);
    };
    return {
      ...size,
      fleet,
      grouping,
      groups: this.#groups,
      arrangement: this.#arrangement,
      pods: this.#pods,
      cellColours: byCell(fleet, coloursOf(nodeScale, fleet.nodes.count), OTHER),
      podColours: coloursOf(podScale, fleet.pods.count),
      cellHealths: byCell(fleet, healthCodes(fleet.nodes), OK),
      podHealths,
      worstPodHealths: worstOfPods(fleet, podHealths),
      podSides: podSidesOf(this.#arrangement, fleet),
      matches,
      nodeScale,
      podScale,
      labelOfCell,
      valueOfCell: (cell) => {
        const row = fleet.cells[cell]?.row ?? -1;
        return row < 0 ? String(fleet.podsOf(cell).length) : safeText(nodeScale?.textOf(row) ?? "", 60);
      },
    };
  }

  #place(fleet: Fleet, grouping: Grouping, size: Size): void {
    const isRegrouped = grouping !== this.#grouping;
    const isResized = size.width !== this.#arrangement.width || size.height !== this.#arrangement.height;
    if (fleet === this.#fleet && !isRegrouped && !isResized) return;
    if (isRegrouped) this.#arrangement = new Arrangement();
    if (isRegrouped || isResized) this.#pods.clear();
    if (fleet !== this.#fleet || isRegrouped) this.#groups = fleet.groupBy(grouping);
    this.#arrangement.update(this.#groups, size.width, size.height);
    this.#pods.update(fleet);
    this.#fleet = fleet;
    this.#grouping = grouping;
  }
}

/** Return an index of COLOURS for each row of a scale. */
function coloursOf(scale: Scaled | null, count: number): Uint8Array {
  if (scale === null) return new Uint8Array(count).fill(OTHER);
  const colours = scale.classes.map(({ colour }) => COLOURS.indexOf(colour));
  return scale.classOf.map((code) => colours[code] ?? OTHER);
}

/** Return values of nodes by cell. Cells without a node have another one. */
function byCell(fleet: Fleet, ofNodes: Uint8Array, ofOthers: number): Uint8Array {
  return Uint8Array.from(fleet.cells, ({ row }) => (row < 0 ? ofOthers : (ofNodes[row] ?? ofOthers)));
}

function worstOfPods(fleet: Fleet, healths: Uint8Array): Uint8Array {
  const worst = new Uint8Array(fleet.cells.length).fill(OK);
  for (let pod = 0; pod < healths.length; pod += 1) {
    const cell = fleet.cellOfPod[pod] ?? 0;
    worst[cell] = Math.min(healths[pod] ?? OK, worst[cell] ?? OK);
  }
  return worst;
}

/** Return the side of the cell of a pod in each group, on average: cells of one box look alike. */
function podSidesOf({ boxes }: Arrangement, fleet: Fleet): Map<string, number> {
  return new Map(
    boxes.map(({ key, cells, grid }) => {
      const present = cells.filter((cell) => cell >= 0);
      const podCount = present.reduce((sum, cell) => sum + fleet.podsOf(cell).length, 0);
      const area = grid.cellWidth * grid.cellHeight * present.length * POD_SHARE;
      return [key, Math.sqrt(area / Math.max(1, podCount))];
    }),
  );
}

/** Whether the pods in a box are large enough to be drawn at a scale. */
export function arePodsDrawn({ podSides }: Picture, box: Box, scale: number): boolean {
  return (podSides.get(box.key) ?? 0) * scale >= POD_FROM;
}

/** Return what is at a point of the map. At this scale, small pods are not there. */
export function targetAt(picture: Picture, x: number, y: number, scale: number): Target | null {
  const box = picture.arrangement.boxAt(x, y);
  if (box === undefined) return null;
  const slot = slotAt(box.grid, x, y);
  const cell = slot < 0 ? -1 : (box.cells[slot] ?? -1);
  if (cell < 0) return isInside({ ...box, height: box.header }, x, y) || slot < 0 ? groupTarget(box) : null;
  const rect = rectOfSlot(box.grid, slot);
  const pods = arePodsDrawn(picture, box, scale) ? picture.pods.gridOf(cell, rect) : undefined;
  if (pods === undefined) return { kind: "cell", cell };
  const pod = pods.pods[slotAt(podCells(pods, rect, scale), x, y)] ?? -1;
  return pod < 0 ? { kind: "cell", cell } : { kind: "pod", cell, pod };
}

function groupTarget({ key }: Box): Target {
  return { kind: "group", key };
}

/** Return the rectangle of something on the map; of a pod that is too small, that of its cell if `isDrawn` is set. */
export function rectOf(picture: Picture, target: Target, scale: number, isDrawn = true): Rect | undefined {
  if (target.kind === "group") return picture.arrangement.boxes.find(({ key }) => key === target.key);
  const place = picture.arrangement.placeOf(target.cell);
  if (place === undefined) return undefined;
  const rect = rectOfSlot(place.box.grid, place.slot);
  const pods = target.kind === "pod" ? picture.pods.gridOf(target.cell, rect) : undefined;
  if (target.kind !== "pod" || pods === undefined) return rect;
  const slot = pods.pods.indexOf(target.pod);
  if (slot < 0 || (isDrawn && !arePodsDrawn(picture, place.box, scale))) return rect;
  return rectOfSlot(podCells(pods, rect, scale), slot);
}

export function isSameTarget(left: Target | null, right: Target | null): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
