/** Where boxes and cells are. What is there stays where it is while objects come and go. */
import { hierarchy, treemap } from "d3-hierarchy";
import type { Rect } from "../../components/view";
import { fitGrid, type Grid, inset, isInside, Slots, slotAt } from "./grid";

/** Cells that belong together, by their index, with a key for each that is the same in every version. */
export interface Group {
  readonly key: string;
  readonly label: string;
  readonly cells: Int32Array;
  readonly cellKeys: readonly string[];
}

export interface Box extends Rect {
  readonly key: string;
  readonly label: string;
  /** The height of the strip with the label. */
  readonly header: number;
  readonly grid: Grid;
  /** The cell in each slot, -1 where none is or none is any longer. */
  readonly cells: Int32Array;
  readonly slots: Slots<string>;
}

/** The place of a cell. */
export interface Place {
  readonly box: Box;
  readonly slot: number;
}

const HEADER_HEIGHT = 20;
const HEADER_SHARE = 0.22;
/** A box that has this many times as many cells as space was reserved for is reason to arrange all boxes anew. */
const OVERFLOW = 1.5;

/** The share of the map that a box has at least, unless there are very many. */
const LEAST_SHARE = 0.04;

interface Member {
  label: string;
  slots: Slots<string>;
  cells: Int32Array;
  /** How many cells the area of the box was made for. */
  weight: number;
  isPresent: boolean;
}

interface Leaf {
  key: string;
  weight: number;
}

/** Boxes of groups in a rectangle at the origin, as a treemap, and grids of cells in them. */
export class Arrangement {
  boxes: readonly Box[] = [];
  #width = 0;
  #height = 0;
  readonly #members = new Map<string, Member>();
  #areas = new Map<string, Rect>();
  #places: (Place | undefined)[] = [];

  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  /** Place all cells. Boxes move only if there are new ones, if one is too small, or if the size has changed. */
  update(groups: readonly Group[], width: number, height: number): void {
    const isAdded = this.#assign(groups);
    const isTooSmall = [...this.#members.values()].some(({ slots, weight }) => slots.size > weight * OVERFLOW);
    if (isAdded || isTooSmall) {
      this.#reserve();
    }
    if (isAdded || isTooSmall || width !== this.#width || height !== this.#height) {
      this.#width = width;
      this.#height = height;
      this.#areas = divide(
        [...this.#members].map(([key, { weight }]) => ({ key, weight })),
        width,
        height,
      );
    }
    this.boxes = [...this.#members].map(([key, member]) => makeBox(key, member, this.#areas.get(key)));
    this.#places = [];
    for (const box of this.boxes) {
      for (const [slot, cell] of box.cells.entries()) {
        if (cell >= 0) {
          this.#places[cell] = { box, slot };
        }
      }
    }
  }

  placeOf(cell: number): Place | undefined {
    return this.#places[cell];
  }

  boxAt(x: number, y: number): Box | undefined {
    return this.boxes.find((box) => isInside(box, x, y));
  }

  /** Return the cell at a point, or -1. */
  cellAt(box: Box, x: number, y: number): number {
    const slot = slotAt(box.grid, x, y);
    return slot < 0 ? -1 : (box.cells[slot] ?? -1);
  }

  #assign(groups: readonly Group[]): boolean {
    let isAdded = false;
    for (const member of this.#members.values()) {
      member.isPresent = false;
      member.cells = new Int32Array(member.slots.size).fill(-1);
    }
    for (const { key, label, cells, cellKeys } of groups) {
      let member = this.#members.get(key);
      if (member === undefined) {
        member = { label, slots: new Slots<string>(), cells: new Int32Array(), weight: 0, isPresent: true };
        this.#members.set(key, member);
        isAdded = true;
      }
      member.isPresent = true;
      const slots = member.slots.assign(cellKeys);
      member.cells = new Int32Array(member.slots.size).fill(-1);
      for (const [index, slot] of slots.entries()) {
        member.cells[slot] = cells[index] ?? -1;
      }
    }
    return isAdded;
  }

  /** Forget groups that are gone and reserve space for the others as they are now. */
  #reserve(): void {
    for (const [key, member] of this.#members) {
      if (member.isPresent) {
        member.weight = Math.max(1, member.slots.size);
      } else {
        this.#members.delete(key);
      }
    }
  }
}

/** Divide a rectangle at the origin into areas, one for each leaf, in proportion to the weights, but none too small. */
function divide(leaves: readonly Leaf[], width: number, height: number): Map<string, Rect> {
  const total = leaves.reduce((sum, { weight }) => sum + weight, 0);
  const least = total * Math.min(LEAST_SHARE, 1 / (4 * leaves.length));
  const padding = Math.min(8, Math.max(1, Math.sqrt((width * height) / Math.max(1, leaves.length)) * 0.06));
  const root = hierarchy<{ children?: readonly Leaf[] } & Partial<Leaf>>({ children: leaves })
    .sum(({ weight }) => (weight === undefined ? 0 : Math.max(weight, least)))
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0) || compare(a.data.key, b.data.key));
  const divided = treemap<{ children?: readonly Leaf[] } & Partial<Leaf>>()
    .size([width, height])
    .paddingInner(padding)
    .paddingOuter(padding / 2)(root);
  const areas = divided.leaves().map(({ data, x0, y0, x1, y1 }): [string, Rect] => {
    return [data.key ?? "", { x: x0, y: y0, width: x1 - x0, height: y1 - y0 }];
  });
  return new Map(areas);
}

function makeBox(key: string, { label, slots, cells }: Member, area: Rect | undefined): Box {
  const rect = area ?? { x: 0, y: 0, width: 0, height: 0 };
  const header = Math.min(HEADER_HEIGHT, rect.height * HEADER_SHARE);
  const grid = fitGrid(inset(rect, header, Math.min(3, rect.width * 0.03)), slots.size);
  return { ...rect, key, label, header, grid, cells, slots };
}

function compare(a = "", b = ""): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
