import assert from "node:assert/strict";
import test from "node:test";
import { fitGrid, rectOfSlot, Slots, slotAt } from "./grid";

const AREA = { x: 10, y: 20, width: 400, height: 200 };

test("a grid has a cell for each object and fills its area", () => {
  for (const count of [1, 2, 3, 7, 100, 1001]) {
    const grid = fitGrid(AREA, count);
    assert.ok(grid.columns * grid.rows >= count);
    assert.ok(Math.abs(grid.columns * grid.cellWidth - AREA.width) < 1e-9);
    assert.ok(Math.abs(grid.rows * grid.cellHeight - AREA.height) < 1e-9);
  }
});

test("cells are about as wide as high, in wide areas and in high ones", () => {
  for (const area of [AREA, { ...AREA, width: 50, height: 900 }]) {
    const { cellWidth, cellHeight } = fitGrid(area, 60);
    assert.ok(cellWidth / cellHeight > 0.5 && cellWidth / cellHeight < 3);
  }
});

test("the slot at the middle of a cell is that of the cell", () => {
  const grid = fitGrid(AREA, 7);
  for (let slot = 0; slot < 7; slot += 1) {
    const { x, y, width, height } = rectOfSlot(grid, slot);
    assert.equal(slotAt(grid, x + width / 2, y + height / 2), slot);
  }
});

test("no slot is outside of the grid", () => {
  const grid = fitGrid(AREA, 7);
  assert.equal(slotAt(grid, 9, 30), -1);
  assert.equal(slotAt(grid, 411, 30), -1);
  assert.equal(slotAt(grid, 20, 19), -1);
  assert.equal(slotAt(grid, 20, 221), -1);
});

test("keys keep their slots when others come and go", () => {
  const slots = new Slots<string>();
  assert.deepEqual([...slots.assign(["a", "b", "c"])], [0, 1, 2]);
  assert.deepEqual([...slots.assign(["a", "c"])], [0, 2]);
  assert.deepEqual([...slots.assign(["0", "a", "c"])], [1, 0, 2]);
});

test("a key that is gone for a while returns to its slot", () => {
  const slots = new Slots<string>();
  slots.assign(["a", "b", "c"]);
  slots.assign(["a", "c"]);
  assert.deepEqual([...slots.assign(["a", "b", "c"])], [0, 1, 2]);
});

test("new keys take the slots of those that are gone before there are more slots", () => {
  const slots = new Slots<number>();
  slots.assign([1, 2, 3]);
  slots.assign([4, 5, 3]);
  assert.equal(slots.size, 3);
  slots.assign([3, 4, 5, 6]);
  assert.equal(slots.size, 4);
});
