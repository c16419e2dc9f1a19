import assert from "node:assert/strict";
import { test } from "node:test";
import { type ColumnResponse, type Columns, decodeSummary } from "./columns";
import { formatSort, parseSort, RowIds, sortRows } from "./order";

function columnsOf(columns: Record<string, ColumnResponse>, count: number): Columns {
  return decodeSummary({ version: "v", totalCount: count, columns });
}

function order(columns: Columns, sort: string): number[] {
  return [...sortRows(columns, parseSort(sort))];
}

test("sort keys are read as they are written", () => {
  assert.deepEqual(parseSort("-memoryBytes, name"), [
    { column: "memoryBytes", isDescending: true },
    { column: "name", isDescending: false },
  ]);
  assert.equal(formatSort(parseSort("-memoryBytes,name")), "-memoryBytes,name");
  assert.deepEqual(parseSort(" ,-,"), []);
});

test("unknown numbers are last in both directions", () => {
  const columns = columnsOf({ cpu: { values: [2, null, 1, 3] } }, 4);
  assert.deepEqual(order(columns, "cpu"), [2, 0, 3, 1]);
  assert.deepEqual(order(columns, "-cpu"), [3, 0, 2, 1]);
});

test("numbers in names are in the order of the numbers", () => {
  const columns = columnsOf({ name: { values: ["node-10", "node-9", "Node-1", null] } }, 4);
  assert.deepEqual(order(columns, "name"), [2, 1, 0, 3]);
  assert.deepEqual(order(columns, "-name"), [0, 1, 2, 3]);
});

test("health is sorted from the worst", () => {
  const columns = columnsOf({ health: { names: ["ok", "unknown", "failed", "warning"], indexes: [0, 1, 2, 3] } }, 4);
  assert.deepEqual(order(columns, "health"), [2, 3, 1, 0]);
});

test("equal rows are sorted by the next key, then stay in the order of the list", () => {
  const columns = columnsOf(
    { cluster: { names: ["b", "a"], indexes: [0, 1, 0, 1, 0] }, cpu: { values: [null, 1, 5, 1, null] } },
    5,
  );
  assert.deepEqual(order(columns, "cluster,-cpu"), [1, 3, 2, 0, 4]);
});

test("columns that do not exist are ignored", () => {
  const columns = columnsOf({ cpu: { values: [2, 1] } }, 2);
  assert.deepEqual(order(columns, "speed"), [0, 1]);
  assert.deepEqual(order(columns, "speed,cpu"), [1, 0]);
  for (const name of ["constructor", "toString", "__proto__"]) assert.deepEqual(order(columns, name), [0, 1]);
});

function names(...values: string[]): Columns {
  return columnsOf({ name: { values } }, values.length);
}

test("an object keeps its number when rows move, and when it comes back", () => {
  const ids = new RowIds();
  const [a, b] = ids.assign(names("a", "b"), ["name"]);
  assert.deepEqual([...ids.assign(names("x", "b", "a"), ["name"])].slice(1), [b, a]);
  assert.deepEqual([...ids.assign(names("b"), ["name"])], [b]);
  assert.deepEqual([...ids.assign(names("a", "b"), ["name"])], [a, b]);
});

test("an object that is gone for long gets another number when it returns", () => {
  const ids = new RowIds(1);
  const seen = Array.from({ length: 100 }, (_, round) => ids.assign(names(`pod-${round % 10}`), ["name"])[0]);
  assert.equal(new Set(seen).size, 100);
});

test("another instant with other objects takes no number away", () => {
  const ids = new RowIds(1);
  const pods = (prefix: string) => names(...Array.from({ length: 20 }, (_, index) => `${prefix}-${index}`));
  const live = ids.assign(pods("live"), ["name"]);
  const past = ids.assign(pods("past"), ["name"]);
  assert.deepEqual(ids.assign(pods("live"), ["name"]), live);
  assert.equal(new Set([...live, ...past]).size, 40);
});

test("objects of one name are told apart by their place", () => {
  const ids = new RowIds();
  const [a, b, c] = ids.assign(names("db", "db", "web"), ["name"]);
  assert.equal(new Set([a, b, c]).size, 3);
  assert.deepEqual([...ids.assign(names("db", "db", "web"), ["name"])], [a, b, c]);
  assert.deepEqual([...ids.assign(names("db", "web"), ["name"])], [a, c]);
});

test("no two objects of a summary have the same number", () => {
  const ids = new RowIds(2);
  for (let round = 0; round < 20; round += 1) {
    const assigned = ids.assign(names(...Array.from({ length: 10 }, (_, index) => `pod-${round * 3 + index}`)), [
      "name",
    ]);
    assert.equal(new Set(assigned).size, 10);
  }
});
