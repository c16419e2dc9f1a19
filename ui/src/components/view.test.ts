import assert from "node:assert/strict";
import test from "node:test";
import { fit, rescale, reveal } from "./view";

const CANVAS = { width: 1000, height: 600 };
const IDENTITY = { k: 1, x: 0, y: 0 };

test("what is visible and large enough does not move the map", () => {
  assert.equal(reveal(IDENTITY, { x: 100, y: 100, width: 50, height: 50 }, CANVAS, 20, 40), IDENTITY);
});

test("what is too small is zoomed to the wanted size, in the middle", () => {
  const rect = { x: 100, y: 100, width: 4, height: 8 };
  const { k, x, y } = reveal(IDENTITY, rect, CANVAS, 20, 40);
  assert.equal(k, 5);
  assert.deepEqual([102 * k + x, 104 * k + y], [500, 300]);
});

test("what is outside of the canvas comes to its middle at the same scale", () => {
  const { k, x, y } = reveal({ k: 4, x: 0, y: 0 }, { x: 900, y: 500, width: 20, height: 20 }, CANVAS, 20, 40);
  assert.deepEqual([k, 910 * k + x, 510 * k + y], [4, 500, 300]);
});

test("the scale is never larger than the largest one", () => {
  assert.equal(reveal(IDENTITY, { x: 0, y: 0, width: 0.1, height: 0.1 }, CANVAS, 20, 40).k, 40);
});

test("a map of another size shows the same part of it", () => {
  assert.deepEqual(rescale({ k: 2, x: -100, y: -60 }, CANVAS, { width: 500, height: 600 }), { k: 2, x: -50, y: -60 });
});

test("a drawing that does not fill the canvas stays in the middle when the canvas gets another size", () => {
  const square = ({ width, height }: { width: number; height: number }) => {
    const side = Math.min(width, height);
    return { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side };
  };
  assert.deepEqual(rescale(IDENTITY, CANVAS, { width: 400, height: 600 }, square), IDENTITY);
});

test("what is shown as large as possible has most of the canvas, but no more than the largest scale", () => {
  assert.equal(fit({ x: 0, y: 0, width: 100, height: 100 }, CANVAS, 40).k, 5.4);
  assert.equal(fit({ x: 7, y: 7, width: 0, height: 0 }, CANVAS, 40).k, 40);
});
