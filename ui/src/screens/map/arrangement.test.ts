import assert from "node:assert/strict";
import test from "node:test";
import { Arrangement, type Group } from "./arrangement";
import { rectOfSlot } from "./grid";

function groupsOf(members: Readonly<Record<string, readonly string[]>>): Group[] {
  let next = 0;
  return Object.entries(members).map(([key, cellKeys]) => {
    const cells = Int32Array.from(cellKeys, () => next++);
    return { key, label: key, cells, cellKeys };
  });
}

/** Where each cell is, by its key. */
function placesOf(arrangement: Arrangement, groups: readonly Group[]): Map<string, unknown> {
  const places = new Map<string, unknown>();
  for (const { cells, cellKeys } of groups) {
    for (const [index, key] of cellKeys.entries()) {
      const place = arrangement.placeOf(cells[index] ?? -1);
      places.set(key, place && rectOfSlot(place.box.grid, place.slot));
    }
  }
  return places;
}

test("the area of a box is in proportion to its cells, and boxes do not overlap", () => {
  const arrangement = new Arrangement();
  arrangement.update(groupsOf({ a: ["1", "2", "3", "4", "5", "6"], b: ["7", "8"], c: ["9"] }), 900, 600);
  const areas = new Map(arrangement.boxes.map(({ key, width, height }) => [key, width * height]));
  const ratio = (areas.get("a") ?? 0) / (areas.get("b") ?? 1);
  assert.ok(ratio > 2.5 && ratio < 3.5);
  for (const left of arrangement.boxes) {
    for (const right of arrangement.boxes) {
      const isApart =
        left.x + left.width <= right.x ||
        right.x + right.width <= left.x ||
        left.y + left.height <= right.y ||
        right.y + right.height <= left.y;
      assert.ok(left === right || isApart);
    }
  }
});

test("the same groups are arranged in the same way, in whatever order they come", () => {
  const [first, second] = [new Arrangement(), new Arrangement()];
  const groups = groupsOf({ a: ["1", "2"], b: ["3", "4"], c: ["5"] });
  first.update(groups, 900, 600);
  second.update(groups.toReversed(), 900, 600);
  assert.deepEqual(placesOf(first, groups), placesOf(second, groups));
});

test("a node that vanishes and returns is where it was, and nothing else moves", () => {
  const arrangement = new Arrangement();
  const all = groupsOf({ a: ["1", "2", "3"], b: ["4"] });
  arrangement.update(all, 900, 600);
  const before = placesOf(arrangement, all);
  const fewer = groupsOf({ a: ["1", "3"], b: ["4"] });
  arrangement.update(fewer, 900, 600);
  const between = placesOf(arrangement, fewer);
  assert.deepEqual(between.get("3"), before.get("3"));
  arrangement.update(all, 900, 600);
  assert.deepEqual(placesOf(arrangement, all), before);
});

test("a cluster that vanishes leaves its box empty", () => {
  const arrangement = new Arrangement();
  arrangement.update(groupsOf({ a: ["1", "2"], b: ["3"] }), 900, 600);
  const boxes = arrangement.boxes.map(({ key, x, y }) => ({ key, x, y }));
  arrangement.update(groupsOf({ a: ["1", "2"] }), 900, 600);
  assert.deepEqual(
    arrangement.boxes.map(({ key, x, y }) => ({ key, x, y })),
    boxes,
  );
  assert.deepEqual([...(arrangement.boxes.find(({ key }) => key === "b")?.cells ?? [])], [-1]);
});

test("one more node than space was reserved for moves no box", () => {
  const arrangement = new Arrangement();
  arrangement.update(groupsOf({ a: ["1", "2", "3"], b: ["4", "5"] }), 900, 600);
  const before = arrangement.boxes.map(({ key, x, y, width, height }) => ({ key, x, y, width, height }));
  arrangement.update(groupsOf({ a: ["1", "2", "3", "new"], b: ["4", "5"] }), 900, 600);
  assert.deepEqual(
    arrangement.boxes.map(({ key, x, y, width, height }) => ({ key, x, y, width, height })),
    before,
  );
});

test("a box that has become much too small gets more space", () => {
  const arrangement = new Arrangement();
  arrangement.update(groupsOf({ a: ["1"], b: ["2"] }), 900, 600);
  arrangement.update(groupsOf({ a: ["1", "3", "4", "5"], b: ["2"] }), 900, 600);
  const [a, b] = ["a", "b"].map((key) => arrangement.boxes.find((box) => box.key === key));
  assert.ok((a?.width ?? 0) * (a?.height ?? 0) > 3 * (b?.width ?? 0) * (b?.height ?? 0));
});

test("a cluster of one node beside large ones has a box that can be seen", () => {
  const arrangement = new Arrangement();
  const many = Array.from({ length: 2000 }, (_, index) => `node-${index}`);
  arrangement.update(groupsOf({ large: many, small: ["one"] }), 900, 600);
  const small = arrangement.boxes.find(({ key }) => key === "small");
  assert.ok(Math.min(small?.width ?? 0, small?.height ?? 0) >= 20);
});
