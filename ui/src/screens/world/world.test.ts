import assert from "node:assert/strict";
import test from "node:test";
import { summaryOf } from "../map/testing";
import { project, projectionOf } from "./earth";
import { GatheringLevels, gatherPoints, mergePoints } from "./gather";
import { radiusOf, type Spot, spotAt } from "./painter";
import { countHealths, findLocated, listPlaces, worstOf } from "./places";
import { findSelected, listRows, matchNodes } from "./rows";

const ROWS = [
  { cluster: "a", name: "n1", health: "ok", latitude: 37.98, longitude: 23.73, city: "Athens", country: "GR" },
  { cluster: "a", name: "n2", health: "failed", latitude: 37.99, longitude: 23.7, city: "Athens", country: "GR" },
  { cluster: "b", name: "n1", health: "unknown", latitude: -0.4, longitude: -160.2, city: null, country: null },
  { cluster: "b", name: "n3", health: "ok", latitude: null, longitude: null, city: null, country: null },
];
const NODES = summaryOf("nodes", ROWS);
const PLACES = listPlaces(NODES, findLocated(NODES));

test("only nodes with a latitude and a longitude have a position", () => {
  assert.deepEqual(findLocated(NODES), [0, 1, 2]);
});

test("hosts of a city are a place with a filter that finds them, others are named by their degrees", () => {
  assert.deepEqual(
    PLACES.map(({ key, label, hosts, filter }) => [key, label, hosts, filter]),
    [
      ["position/0/-160", "0° N 160° W", [2], ""],
      ["place/GR/Athens", "Athens, Greece", [0, 1], "city=Athens,country=GR"],
    ],
  );
});

test("the worst health of hosts is failed, then warning, then unknown", () => {
  assert.equal(worstOf(countHealths(NODES, [0, 1, 2])), 0);
  assert.equal(worstOf(countHealths(NODES, [0, 2])), 2);
  assert.equal(worstOf(countHealths(NODES, [0])), 3);
  assert.equal(worstOf(countHealths(NODES, [])), 2);
});

test("near points are gathered around the one with most hosts, far ones are not", () => {
  const points = [
    { x: 0, y: 0, rows: [1] },
    { x: 5, y: 0, rows: [2, 3] },
    { x: 100, y: 0, rows: [4] },
  ];
  const gathered = gatherPoints(points, 10).map(({ x, rows }) => [x, [...rows].sort()]);
  assert.deepEqual(gathered, [
    [5, [1, 2, 3]],
    [100, [4]],
  ]);
});

test("every host is in one gathering, and no two of them are nearer than the radius", () => {
  const points = Array.from({ length: 500 }, (_, row) => ({ x: (row * 37) % 211, y: (row * 53) % 199, rows: [row] }));
  const gathered = gatherPoints(points, 17);
  assert.deepEqual(
    gathered.flatMap(({ rows }) => rows).sort((left, right) => left - right),
    points.map((_, row) => row),
  );
  for (const [index, left] of gathered.entries()) {
    for (const right of gathered.slice(index + 1)) assert.ok(Math.hypot(left.x - right.x, left.y - right.y) >= 17);
  }
});

test("the order of the points does not change what is gathered", () => {
  const points = Array.from({ length: 60 }, (_, row) => ({ x: (row * 37) % 101, y: (row * 53) % 97, rows: [row] }));
  assert.deepEqual(gatherPoints(points.toReversed(), 20), gatherPoints(points, 20));
});

test("hosts at the same position are one point", () => {
  assert.deepEqual(
    mergePoints([
      { x: 1, y: 2, rows: [0] },
      { x: 1, y: 2, rows: [1] },
    ]),
    [{ x: 1, y: 2, rows: [0, 1] }],
  );
});

test("zooming splits what is gathered", () => {
  const levels = new GatheringLevels(
    [
      { x: 0, y: 0, rows: [0] },
      { x: 5, y: 0, rows: [1] },
    ],
    40,
  );
  assert.equal(levels.at(1).length, 1);
  assert.equal(levels.at(10).length, 2);
});

test("the mark at a point is found where it is drawn", () => {
  const spot: Spot = {
    gathering: { x: 10, y: 20, rows: [0, 1], points: [] },
    count: 2,
    healths: [2, 0, 0, 0],
  };
  const view = { k: 3, x: 5, y: 7 };
  assert.equal(spotAt([spot], view, 35, 67), spot);
  assert.equal(spotAt([spot], view, 35 + radiusOf(2) + 9, 67), null);
});

test("the whole earth fits on the canvas, north at the top", () => {
  const projection = projectionOf({ width: 800, height: 600 });
  for (const longitude of [-180, 0, 180]) {
    for (const latitude of [-90, 0, 90]) {
      const { x, y } = project(projection, longitude, latitude);
      assert.ok(x >= 0 && x <= 800 && y >= 0 && y <= 600);
    }
  }
  assert.ok(project(projection, 0, 60).y < project(projection, 0, -60).y);
});

test("the table has places with their hosts, without those that do not match", () => {
  const keys = (matches: Uint8Array | null) => listRows(NODES, PLACES, matches, new Map()).map(({ key }) => key);
  assert.deepEqual(keys(null), ["position/0/-160", "node/b/n1", "place/GR/Athens", "node/a/n1", "node/a/n2"]);
  assert.deepEqual(keys(matchNodes(NODES, summaryOf("nodes", ROWS.slice(1, 2)))), ["place/GR/Athens", "node/a/n2"]);
});

test("a host or a place is selected by its key, and something that is not there is not", () => {
  assert.equal(findSelected(NODES, PLACES, "node/a/n2")?.host, 1);
  assert.equal(findSelected(NODES, PLACES, "place/GR/Athens")?.place.label, "Athens, Greece");
  assert.equal(findSelected(NODES, PLACES, "node/b/n3"), null);
  assert.equal(findSelected(NODES, PLACES, ""), null);
});
