/** What part of a drawing is on the canvas, and how it moves. */

/** A point of the drawing is at `point * k + x`, `point * k + y`, in CSS pixels, as in d3-zoom. */
export interface Transform {
  readonly k: number;
  readonly x: number;
  readonly y: number;
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What is shown is visible with this margin. */
const MARGIN = 24;
/** What is shown as large as possible has this share of the canvas. */
const FIT_SHARE = 0.9;

/**
 * Return how to show a rectangle of the drawing: as it is if it is visible and its smaller side is at least `side`,
 * otherwise in the middle.
 */
export function reveal(current: Transform, rect: Rect, canvas: Size, side: number, maximumScale: number): Transform {
  const smaller = Math.min(rect.width, rect.height);
  const isLarge = smaller * current.k >= side;
  if (isLarge && isVisible(current, rect, canvas)) return current;
  const fitting = Math.min(canvas.width / rect.width, canvas.height / rect.height) * FIT_SHARE;
  const wanted = isLarge ? current.k : Math.min(side / smaller, maximumScale);
  return centre(rect, canvas, Math.max(1, Math.min(wanted, Math.max(fitting, 1))));
}

function isVisible({ k, x, y }: Transform, rect: Rect, { width, height }: Size): boolean {
  const left = rect.x * k + x;
  const top = rect.y * k + y;
  const right = left + rect.width * k;
  const bottom = top + rect.height * k;
  // What is larger than the canvas is visible if any of it is.
  const fits = (low: number, high: number, end: number) =>
    high - low + 2 * MARGIN > end ? low < end && high > 0 : low >= 0 && high <= end;
  return fits(left, right, width) && fits(top, bottom, height);
}

/** Return how to show a rectangle of the drawing as large as possible, in the middle. */
export function fit(rect: Rect, canvas: Size, maximumScale: number): Transform {
  const room = Math.min(canvas.width / Math.max(rect.width, 1e-9), canvas.height / Math.max(rect.height, 1e-9));
  return centre(rect, canvas, Math.max(1, Math.min(room * FIT_SHARE, maximumScale)));
}

function centre(rect: Rect, canvas: Size, k: number): Transform {
  return {
    k,
    x: canvas.width / 2 - (rect.x + rect.width / 2) * k,
    y: canvas.height / 2 - (rect.y + rect.height / 2) * k,
  };
}

/** Return the rectangle that a drawing has on a canvas of a size, at the scale 1. */
export type AreaOf = (size: Size) => Rect;

function wholeCanvas({ width, height }: Size): Rect {
  return { x: 0, y: 0, width, height };
}

/** Return the transform at the same scale that has the same point of the drawing in the middle of another canvas. */
export function rescale({ k, x, y }: Transform, from: Size, to: Size, areaOf: AreaOf = wholeCanvas): Transform {
  if (from.width === 0 || from.height === 0) return { k, x, y };
  const [before, after] = [areaOf(from), areaOf(to)];
  const middleX = after.x + (((from.width / 2 - x) / k - before.x) * after.width) / before.width;
  const middleY = after.y + (((from.height / 2 - y) / k - before.y) * after.height) / before.height;
  return { k, x: to.width / 2 - middleX * k, y: to.height / 2 - middleY * k };
}
