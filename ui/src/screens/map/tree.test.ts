import assert from "node:assert/strict";
import test from "node:test";
import { findParent } from "../../components/tree_table";
import { EVERYTHING, findMatches } from "./matches";
import { fleetOf, summaryOf } from "./testing";
import { listRows, parentKeysOf, rowKeyOf, targetOf } from "./tree";

const PODS = [
  { cluster: "north", namespace: "default", name: "web", node: "n/1" },
  { cluster: "north", namespace: "", name: "mosquitto", node: null },
];
const FLEET = fleetOf({
  clusters: [{ name: "north" }, { name: "empty" }],
  nodes: [
    { cluster: "north", name: "n/1" },
    { cluster: "north", name: "n2" },
  ],
  pods: PODS,
});
const PARTS = { fleet: FLEET, grouping: "cluster", groups: FLEET.groupBy("cluster"), matches: EVERYTHING } as const;

test("a small fleet shows its nodes, and pods when their node is opened", () => {
  assert.deepEqual(
    listRows(PARTS, new Map()).map(({ key, level }) => [key, level]),
    [
      ["cluster/empty", 1],
      ["cluster/north", 1],
      ["node/north/n%2F1", 2],
      ["node/north/n2", 2],
      ["unplaced/north", 2],
    ],
  );
  const opened = listRows(PARTS, new Map([["node/north/n%2F1", true]]));
  assert.deepEqual(opened[3]?.key, "pod/north/default/web");
});

test("rows without anything below them cannot be opened", () => {
  const rows = listRows(PARTS, new Map([["cluster/north", false]]));
  assert.deepEqual(
    rows.map(({ isExpanded }) => isExpanded),
    [null, false],
  );
});

test("a row knows its position among its siblings", () => {
  const row = listRows(PARTS, new Map())[3];
  assert.deepEqual([row?.position, row?.siblingCount], [2, 3]);
});

test("the table has only what matches the filter, with what contains it", () => {
  const matches = findMatches(FLEET, summaryOf("pods", PODS.slice(0, 1)));
  assert.deepEqual(
    listRows({ ...PARTS, matches }, new Map()).map(({ key }) => key),
    ["cluster/north", "node/north/n%2F1", "pod/north/default/web"],
  );
});

test("every row is found by its key", () => {
  const openings = new Map([
    ["node/north/n%2F1", true],
    ["unplaced/north", true],
  ]);
  for (const { key, target } of listRows(PARTS, openings)) {
    assert.deepEqual(targetOf(PARTS, key), target);
    assert.equal(rowKeyOf(PARTS, target), key);
  }
});

test("a key of something that is not there selects nothing", () => {
  for (const key of ["node/north/gone", "cluster/gone", "pod/north/default/gone", "%", "type/north"]) {
    assert.equal(targetOf(PARTS, key), null);
  }
});

test("the rows that contain a pod are its node and its group", () => {
  const pod = targetOf(PARTS, "pod/north/default/web");
  assert.deepEqual(pod && parentKeysOf(PARTS, pod), ["cluster/north", "node/north/n%2F1"]);
});

test("the parent of a row is the nearest one above it at a lower level", () => {
  const rows = listRows(PARTS, new Map());
  assert.equal(findParent(rows, 4), 1);
  assert.equal(findParent(rows, 1), 1);
});
