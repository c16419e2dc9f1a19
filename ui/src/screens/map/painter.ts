/** Draws the map on a canvas: only what is visible, and only what is large enough to be told apart. */

import { COLOURS, type Palette } from "../../components/palette";
import type { Rect } from "../../components/view";
import type { View } from "../../components/zoom_canvas";
import { HEALTHS, healthCode } from "../../data/health";
import { safeText } from "../../format";
import type { Box } from "./arrangement";
import { type Grid, rectOfSlot } from "./grid";
import { arePodsDrawn, type Picture, rectOf, type Target } from "./picture";
import { type PodGrid, podCells, stripHeight } from "./pods";

export interface Marks {
  readonly selected: Target | null;
  readonly hovered: Target | null;
}

/** Smaller cells have no gap, mark or name. In CSS pixels. */
const GAP_FROM = 5;
const MARK_FROM = 8;
const CORNER_FROM = 7;
const NAME_WIDTH_FROM = 44;
const NAME_HEIGHT_FROM = 13;
const VALUE_HEIGHT_FROM = 30;
const DIMMED = 0.18;
const FONT_SIZE = 12;
/** Measuring each text is too slow: texts are cut by the average width of these characters, and a little more. */
const WIDE_SHARE = 1.08;
const SAMPLE = "abcdefghijklmnopqrstuvwxyz-0123456789-";

const OK = healthCode("ok");
const WARNING = healthCode("warning");
const FAILED = healthCode("failed");
const UNKNOWN = healthCode("unknown");

/** A frame while it is put together: rectangles by colour, because changing the colour is what costs time. */
class Frame {
  readonly lower = new RectangleList();
  readonly upper = new RectangleList();
  readonly frames: number[] = [];
  readonly ghosts: number[] = [];
  /** Center and size of marks, by health. */
  readonly marks: number[][] = HEALTHS.map(() => []);
  readonly corners: number[][] = HEALTHS.map(() => []);
  readonly texts: Text[] = [];

  clear(): void {
    this.lower.clear();
    this.upper.clear();
    for (const list of [this.frames, this.ghosts, ...this.marks, ...this.corners, this.texts]) list.length = 0;
  }
}

interface Text {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  /** An index of COLOURS for the fill behind the text, -1 for the background. */
  readonly colour: number;
  readonly isDimmed: boolean;
}

/** A text for a rectangle whose left edge is at `x`. */
interface Label extends Text {
  /** In CSS pixels. */
  readonly room: number;
}

/** Rectangles, four numbers each, by colour and by whether they are dimmed. */
class RectangleList {
  readonly #lit: number[][] = COLOURS.map(() => []);
  readonly #dimmed: number[][] = COLOURS.map(() => []);

  add(colour: number, isDimmed: boolean, rect: Pixels): void {
    (isDimmed ? this.#dimmed : this.#lit)[colour]?.push(rect.x, rect.y, rect.width, rect.height);
  }

  clear(): void {
    for (const list of this.#lit) list.length = 0;
    for (const list of this.#dimmed) list.length = 0;
  }

  paint(context: CanvasRenderingContext2D, fills: readonly string[]): void {
    context.globalAlpha = DIMMED;
    for (const [colour, list] of this.#dimmed.entries()) fillAll(context, fills[colour] ?? "", list);
    context.globalAlpha = 1;
    for (const [colour, list] of this.#lit.entries()) fillAll(context, fills[colour] ?? "", list);
  }
}

function fillAll(context: CanvasRenderingContext2D, fill: string, list: readonly number[]): void {
  if (list.length === 0) return;
  context.fillStyle = fill;
  for (let index = 0; index < list.length; index += 4) {
    context.fillRect(list[index] ?? 0, list[index + 1] ?? 0, list[index + 2] ?? 0, list[index + 3] ?? 0);
  }
}

/** A rectangle in whole device pixels. One object is reused for all cells. */
interface Pixels {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Draws frames. It is kept from one to the next, with the lists that it fills. */
export class Painter {
  #context!: CanvasRenderingContext2D;
  #palette!: Palette;
  #picture!: Picture;
  #view!: View;
  /** The part of the map that is on the canvas. */
  #visible!: Rect;
  #characterWidth = 0;
  readonly #frame = new Frame();
  readonly #pixels: Pixels = { x: 0, y: 0, width: 0, height: 0 };

  paint(context: CanvasRenderingContext2D, view: View, palette: Palette, picture: Picture, marks: Marks): void {
    this.#context = context;
    if (palette !== this.#palette) this.#characterWidth = this.#measureFont(palette.font);
    this.#palette = palette;
    this.#picture = picture;
    this.#view = view;
    this.#visible = visibleRect(view);
    const boxes = picture.arrangement.boxes.filter((box) => overlaps(box, this.#visible));
    this.#frame.clear();
    context.globalAlpha = 1;
    context.fillStyle = this.#palette.background;
    context.fillRect(0, 0, view.width * view.ratio, view.height * view.ratio);
    for (const box of boxes) {
      this.#paintBox(box);
      this.#collectCells(box);
    }
    this.#paintFrame();
    for (const box of boxes) this.#paintLabel(box);
    this.#paintMarks(marks);
  }

  #paintBox(box: Box): void {
    const { k, ratio } = this.#view;
    const context = this.#context;
    const { x, y, width, height } = this.#toPixels(box, 0);
    const line = Math.max(1, Math.round(ratio));
    context.fillStyle = this.#palette.border;
    context.fillRect(x, y, width, height);
    context.fillStyle = this.#palette.surface;
    context.fillRect(x + line, y + line, width - 2 * line, height - 2 * line);
    if (box.cells.length > 0 || height < 40 * ratio) return;
    this.#addText({
      text: "no nodes",
      x,
      y: y + (box.header * k + 10) * ratio,
      room: width / ratio - 12,
      colour: -1,
      isDimmed: false,
    });
  }

  #collectCells(box: Box): void {
    const { grid, cells } = box;
    const { k } = this.#view;
    const side = Math.min(grid.cellWidth, grid.cellHeight) * k;
    const hasPods = arePodsDrawn(this.#picture, box, k);
    const gap = side < GAP_FROM ? 0 : side < 16 ? 1 : side < 80 ? 2 : 4;
    forEachVisible(grid, this.#visible, (slot) => {
      const cell = cells[slot];
      if (cell === undefined) return;
      const rect = rectOfSlot(grid, slot);
      if (cell < 0) {
        const { x, y, width, height } = this.#toPixels(rect, gap);
        if (side >= GAP_FROM) this.#frame.ghosts.push(x, y, width, height);
        return;
      }
      const pods = hasPods ? this.#picture.pods.gridOf(cell, rect) : undefined;
      if (pods) {
        this.#collectNode(cell, rect, gap);
        this.#collectPods(pods, podCells(pods, rect, k));
      } else {
        this.#collectCell(cell, rect, gap);
      }
    });
  }

  /** A cell as a whole: a filled rectangle with what fits into it. */
  #collectCell(cell: number, rect: Rect, gap: number): void {
    const picture = this.#picture;
    const { ratio } = this.#view;
    const frame = this.#frame;
    const pixels = this.#toPixels(rect, gap);
    const { x, y, width, height } = pixels;
    const colour = picture.cellColours[cell] ?? UNKNOWN;
    const isDimmed = picture.matches.cells?.[cell] === 0;
    frame.lower.add(colour, isDimmed, pixels);
    const side = Math.min(width, height) / ratio;
    if (isDimmed) return;
    const hasName = width / ratio >= NAME_WIDTH_FROM && height / ratio >= NAME_HEIGHT_FROM;
    const health = picture.cellHealths[cell] ?? UNKNOWN;
    if (health !== OK && side >= MARK_FROM) {
      const size = Math.min(10, side * 0.6) * ratio;
      const [markX, markY] = hasName
        ? [x + width - size, y + Math.min(height / 2, 9 * ratio)]
        : [x + width / 2, y + height / 2];
      frame.marks[health]?.push(markX, markY, size);
    }
    const worst = picture.worstPodHealths[cell] ?? OK;
    if ((worst === FAILED || worst === WARNING) && side >= CORNER_FROM) {
      frame.corners[worst]?.push(x + width, y + height, Math.min(9, side * 0.4) * ratio);
    }
    if (!hasName) return;
    const room = width / ratio - (health === OK ? 6 : 18);
    this.#addText({ text: picture.labelOfCell(cell), x, y: y + 9 * ratio, room, colour, isDimmed });
    if (height / ratio < VALUE_HEIGHT_FROM) return;
    const value = picture.valueOfCell(cell);
    this.#addText({ text: value, x, y: y + 24 * ratio, room: width / ratio - 8, colour, isDimmed });
  }

  /** The frame of a cell whose pods are drawn: its colour is in the strip with its name. */
  #collectNode(cell: number, rect: Rect, gap: number): void {
    const picture = this.#picture;
    const { k, ratio } = this.#view;
    const { x, y, width, height } = this.#toPixels(rect, gap);
    this.#frame.frames.push(x, y, width, height);
    const strip = Math.round(stripHeight(rect, k) * k * ratio) - gap * ratio;
    const colour = picture.cellColours[cell] ?? UNKNOWN;
    const isDimmed = picture.matches.cells?.[cell] === 0;
    this.#frame.lower.add(colour, isDimmed, { x, y, width, height: strip });
    const health = picture.cellHealths[cell] ?? UNKNOWN;
    const size = Math.min(10, (strip / ratio) * 0.8) * ratio;
    const hasMark = health !== OK && !isDimmed && size >= 4 * ratio;
    if (hasMark) this.#frame.marks[health]?.push(x + width - size, y + strip / 2, size);
    if (strip / ratio < NAME_HEIGHT_FROM - 1 || width / ratio < NAME_WIDTH_FROM) return;
    const label = picture.labelOfCell(cell);
    const value = picture.valueOfCell(cell);
    const room = width / ratio - (hasMark ? 22 : 8);
    const text =
      (label.length + value.length + 3) * FONT_SIZE * this.#characterWidth < room && value
        ? `${label}  ${value}`
        : label;
    this.#addText({ text, x, y: y + strip / 2, room, colour, isDimmed });
  }

  #collectPods({ pods }: PodGrid, grid: Grid): void {
    const picture = this.#picture;
    const { k, ratio } = this.#view;
    const frame = this.#frame;
    const side = Math.min(grid.cellWidth, grid.cellHeight) * k;
    const gap = side < 14 ? 1 : 2;
    const hasName = grid.cellWidth * k >= NAME_WIDTH_FROM + 8 && grid.cellHeight * k >= NAME_HEIGHT_FROM + 2;
    forEachVisible(grid, this.#visible, (slot) => {
      const pod = pods[slot] ?? -1;
      if (pod < 0) return;
      const pixels = this.#toPixels(rectOfSlot(grid, slot), gap);
      const { x, y, width, height } = pixels;
      const colour = picture.podColours[pod] ?? UNKNOWN;
      const isDimmed = picture.matches.pods?.[pod] === 0;
      frame.upper.add(colour, isDimmed, pixels);
      if (isDimmed) return;
      const health = picture.podHealths[pod] ?? UNKNOWN;
      const hasMark = health !== OK && side >= MARK_FROM;
      if (hasMark) {
        const size = Math.min(10, side * 0.6) * ratio;
        frame.marks[health]?.push(
          hasName ? x + width - size : x + width / 2,
          y + (hasName ? 9 * ratio : height / 2),
          size,
        );
      }
      if (!hasName) return;
      const room = width / ratio - (hasMark ? 20 : 6);
      const text = safeText(picture.fleet.pods.text("name", pod), 60);
      this.#addText({ text, x, y: y + Math.min(height / 2, 9 * ratio), room, colour, isDimmed });
    });
  }

  #paintFrame(): void {
    const { ratio } = this.#view;
    const context = this.#context;
    const frame = this.#frame;
    const { fills, inks, surface, text, frame: frameFill } = this.#palette;
    fillAll(context, frameFill, frame.frames);
    frame.lower.paint(context, fills);
    frame.upper.paint(context, fills);
    this.#paintGhosts();
    for (const [health, list] of frame.corners.entries()) paintCorners(context, list, fills[health] ?? "", surface);
    for (const [health, list] of frame.marks.entries()) paintMarks(context, health, list, text, surface, ratio);
    context.font = `${FONT_SIZE * ratio}px ${this.#palette.font}`;
    context.textBaseline = "middle";
    for (const { text: label, x, y, colour, isDimmed } of frame.texts) {
      context.fillStyle = isDimmed || colour < 0 ? text : (inks[colour] ?? text);
      context.fillText(label, x, y);
    }
  }

  #paintGhosts(): void {
    const { ratio } = this.#view;
    const context = this.#context;
    const { ghosts } = this.#frame;
    if (ghosts.length === 0) return;
    context.strokeStyle = this.#palette.muted;
    context.lineWidth = ratio;
    context.setLineDash([3 * ratio, 3 * ratio]);
    context.beginPath();
    for (let index = 0; index < ghosts.length; index += 4) {
      const [x = 0, y = 0, width = 0, height = 0] = ghosts.slice(index, index + 4);
      context.rect(x + 0.5, y + 0.5, width - 1, height - 1);
    }
    context.stroke();
    context.setLineDash([]);
  }

  /** The label stays in sight while any of its box does. */
  #paintLabel(box: Box): void {
    const context = this.#context;
    const { k, ratio } = this.#view;
    const { x, y, width, height } = this.#toPixels(box, 0);
    const strip = box.header * k;
    const isAbove = y < 0;
    const size = Math.min(FONT_SIZE + 1, strip * 0.75);
    if (size < 8 && !(isAbove && height / ratio > 60)) return;
    const fontSize = Math.max(size, 8);
    const left = Math.max(x, 0) + 5 * ratio;
    const room = (Math.min(x + width, this.#view.width * ratio) - left) / ratio - 6;
    context.font = `600 ${fontSize * ratio}px ${this.#palette.font}`;
    const wanted = this.#cut(box.label, room, fontSize);
    // Bold and wide letters need more room than the average.
    const excess = context.measureText(wanted).width / ratio / room;
    const text = excess > 1 ? this.#cut(box.label, room / excess, fontSize) : wanted;
    if (text === "") return;
    context.textBaseline = "middle";
    const middle = isAbove
      ? Math.min(11 * ratio, y + height - 9 * ratio)
      : y + Math.min((strip * ratio) / 2, 14 * ratio);
    if (isAbove && y + strip * ratio < 22 * ratio) {
      context.fillStyle = this.#palette.surface;
      context.globalAlpha = 0.88;
      context.fillRect(left - 4 * ratio, middle - 10 * ratio, context.measureText(text).width + 8 * ratio, 20 * ratio);
      context.globalAlpha = 1;
    }
    context.fillStyle = this.#palette.text;
    context.fillText(text, left, middle);
  }

  #paintMarks({ selected, hovered }: Marks): void {
    const { k } = this.#view;
    if (hovered) this.#outline(rectOf(this.#picture, hovered, k), this.#palette.text, 1.5);
    if (selected) this.#outline(rectOf(this.#picture, selected, k), this.#palette.accent, 3);
  }

  #outline(rect: Rect | undefined, colour: string, width: number): void {
    if (rect === undefined) return;
    const context = this.#context;
    const pixels = this.#toPixels(rect, 0);
    const { ratio } = this.#view;
    const line = width * ratio;
    context.lineWidth = line + 2 * ratio;
    context.strokeStyle = this.#palette.surface;
    context.strokeRect(pixels.x, pixels.y, pixels.width, pixels.height);
    context.lineWidth = line;
    context.strokeStyle = colour;
    context.strokeRect(pixels.x, pixels.y, pixels.width, pixels.height);
  }

  /** Add a text at the left of a rectangle, or of what is visible of it. */
  #addText({ text, x, y, room, colour, isDimmed }: Label): void {
    const { ratio } = this.#view;
    const left = Math.max(x, 0);
    const cut = this.#cut(text, room - (left - x) / ratio, FONT_SIZE);
    if (cut === "") return;
    this.#frame.texts.push({
      text: cut,
      x: Math.round(left + 4 * ratio),
      y: Math.round(y + ratio),
      colour,
      isDimmed,
    });
  }

  /** Return as much of a text as there is room for, in CSS pixels. */
  #cut(text: string, room: number, size: number): string {
    const count = Math.floor(room / (size * this.#characterWidth));
    if (text.length <= count) return text;
    return count < 3 ? "" : `${text.slice(0, count - 1)}…`;
  }

  /** The average width of a character, in parts of the size of the font. */
  #measureFont(font: string): number {
    this.#context.font = `100px ${font}`;
    return (this.#context.measureText(SAMPLE).width / SAMPLE.length / 100) * WIDE_SHARE;
  }

  /** Return a rectangle of the map in device pixels, without a gap at its right and bottom. */
  #toPixels(rect: Rect, gap: number): Pixels {
    const { k, x, y, ratio } = this.#view;
    const pixels = this.#pixels;
    const space = Math.round(gap * ratio);
    const factor = k * ratio;
    pixels.x = Math.round(rect.x * factor + x * ratio);
    pixels.y = Math.round(rect.y * factor + y * ratio);
    pixels.width = Math.max(1, Math.round((rect.x + rect.width) * factor + x * ratio) - pixels.x - space);
    pixels.height = Math.max(1, Math.round((rect.y + rect.height) * factor + y * ratio) - pixels.y - space);
    return pixels;
  }
}

function forEachVisible(grid: Grid, visible: Rect, visit: (slot: number) => void): void {
  const firstColumn = Math.max(0, Math.floor((visible.x - grid.x) / grid.cellWidth));
  const lastColumn = Math.min(grid.columns - 1, Math.floor((visible.x + visible.width - grid.x) / grid.cellWidth));
  const firstRow = Math.max(0, Math.floor((visible.y - grid.y) / grid.cellHeight));
  const lastRow = Math.min(grid.rows - 1, Math.floor((visible.y + visible.height - grid.y) / grid.cellHeight));
  for (let row = firstRow; row <= lastRow; row += 1) {
    for (let column = firstColumn; column <= lastColumn; column += 1) visit(row * grid.columns + column);
  }
}

function visibleRect({ width, height, k, x, y }: View): Rect {
  return { x: -x / k, y: -y / k, width: width / k, height: height / k };
}

function overlaps(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/** Triangles in the corner at the bottom right of cells. */
function paintCorners(context: CanvasRenderingContext2D, list: readonly number[], fill: string, halo: string): void {
  if (list.length === 0) return;
  context.beginPath();
  for (let index = 0; index < list.length; index += 3) {
    const [x = 0, y = 0, size = 0] = list.slice(index, index + 3);
    context.moveTo(x, y - size);
    context.lineTo(x, y);
    context.lineTo(x - size, y);
    context.closePath();
  }
  context.strokeStyle = halo;
  context.lineWidth = 2;
  context.stroke();
  context.fillStyle = fill;
  context.fill();
}

/** Marks with a shape for each health: a cross, a triangle, a ring. */
function paintMarks(
  context: CanvasRenderingContext2D,
  health: number,
  list: readonly number[],
  ink: string,
  halo: string,
  ratio: number,
): void {
  if (list.length === 0) return;
  context.beginPath();
  for (let index = 0; index < list.length; index += 3) {
    traceMark(context, health, list[index] ?? 0, list[index + 1] ?? 0, (list[index + 2] ?? 0) / 2);
  }
  context.lineCap = "round";
  context.lineJoin = "round";
  context.strokeStyle = halo;
  context.lineWidth = 4 * ratio;
  context.stroke();
  context.strokeStyle = ink;
  context.lineWidth = 1.75 * ratio;
  context.stroke();
}

/** Add the shape of a health around a point to the path. */
function traceMark(context: CanvasRenderingContext2D, health: number, x: number, y: number, radius: number): void {
  if (health === FAILED) {
    const reach = radius * 0.8;
    context.moveTo(x - reach, y - reach);
    context.lineTo(x + reach, y + reach);
    context.moveTo(x + reach, y - reach);
    context.lineTo(x - reach, y + reach);
  } else if (health === WARNING) {
    context.moveTo(x, y - radius);
    context.lineTo(x + radius, y + radius * 0.8);
    context.lineTo(x - radius, y + radius * 0.8);
    context.closePath();
  } else {
    context.moveTo(x + radius * 0.8, y);
    context.arc(x, y, radius * 0.8, 0, 2 * Math.PI);
  }
}
