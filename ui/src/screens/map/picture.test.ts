import assert from "node:assert/strict";
import test from "node:test";
import { HEALTHS } from "../../data/health";
import type { Fleet } from "./fleet";
import { EVERYTHING, findMatches } from "./matches";
import { type Picture, PictureMaker, rectOf, type Target, targetAt } from "./picture";
import { COLOUR_MODES } from "./scales";
import { fleetOf, summaryOf } from "./testing";

const NODES = [
  { cluster: "north", name: "n1", health: "ok" },
  { cluster: "north", name: "n2", health: "failed" },
  { cluster: "south", name: "n1", health: "warning" },
];
const PODS = [
  { cluster: "north", namespace: "default", name: "web-1", node: "n1", health: "ok" },
  { cluster: "north", namespace: "default", name: "web-2", node: "n1", health: "failed" },
  { cluster: "south", namespace: "default", name: "web-1", node: "n1", health: "ok" },
  { cluster: "south", namespace: "default", name: "lost", node: null, health: "unknown" },
];
const CLUSTERS = [{ name: "north" }, { name: "south" }, { name: "empty" }];

function draw(fleet: Fleet, maker = new PictureMaker()): Picture {
  return maker.make({
    fleet,
    grouping: "cluster",
    mode: COLOUR_MODES.health,
    matches: EVERYTHING,
    now: 0,
    size: { width: 1200, height: 800 },
  });
}

function middleOf(picture: Picture, target: Target): [number, number] {
  const rect = rectOf(picture, target, 1);
  assert.ok(rect);
  return [rect.x + rect.width / 2, rect.y + rect.height / 2];
}

test("every pod is found where it is drawn", () => {
  const fleet = fleetOf({ clusters: CLUSTERS, nodes: NODES, pods: PODS });
  const picture = draw(fleet);
  for (const [pod, cell] of fleet.cellOfPod.entries()) {
    const target: Target = { kind: "pod", cell, pod };
    assert.deepEqual(targetAt(picture, ...middleOf(picture, target), 1), target);
  }
});

test("the name of a node is found as the node, and the label of a box as its group", () => {
  const picture = draw(fleetOf({ clusters: CLUSTERS, nodes: NODES, pods: PODS }));
  const cell = rectOf(picture, { kind: "cell", cell: 0 }, 1);
  const box = rectOf(picture, { kind: "group", key: "north" }, 1);
  assert.deepEqual(cell && targetAt(picture, cell.x + 5, cell.y + 3, 1), { kind: "cell", cell: 0 });
  assert.deepEqual(box && targetAt(picture, box.x + 5, box.y + 3, 1), { kind: "group", key: "north" });
});

test("pods that are too small to be drawn are found as their node", () => {
  const fleet = fleetOf({ clusters: CLUSTERS, nodes: NODES, pods: PODS });
  const picture = draw(fleet);
  const point = middleOf(picture, { kind: "pod", cell: 0, pod: 0 });
  assert.deepEqual(targetAt(picture, ...point, 0.01), { kind: "cell", cell: 0 });
});

test("clusters without nodes have a box, and pods without a node a cell", () => {
  const fleet = fleetOf({ clusters: CLUSTERS, nodes: NODES, pods: PODS });
  const picture = draw(fleet);
  assert.deepEqual(
    picture.groups.map(({ label }) => label),
    ["empty", "north", "south"],
  );
  assert.deepEqual(fleet.cells[3], { row: -1, cluster: "south", name: "", key: "unplaced\0south" });
  assert.deepEqual([...fleet.podsOf(3)], [3]);
});

test("a node has the worst health of its pods", () => {
  const picture = draw(fleetOf({ nodes: NODES, pods: PODS }));
  assert.deepEqual(
    [...picture.worstPodHealths].map((code) => HEALTHS[code]),
    ["failed", "ok", "ok", "unknown"],
  );
});

test("pods stay where they are when others come and go", () => {
  const maker = new PictureMaker();
  const before = draw(fleetOf({ nodes: NODES, pods: PODS }), maker);
  const place = rectOf(before, { kind: "pod", cell: 0, pod: 1 }, 1);
  const after = draw(fleetOf({ nodes: NODES, pods: PODS.slice(1) }), maker);
  assert.deepEqual(rectOf(after, { kind: "pod", cell: 0, pod: 0 }, 1), place);
});

test("nodes that match a filter are lit with their pods", () => {
  const fleet = fleetOf({ nodes: NODES, pods: PODS });
  const { cells, pods } = findMatches(fleet, summaryOf("nodes", NODES.slice(2)));
  assert.deepEqual([...(cells ?? [])], [0, 0, 1, 0]);
  assert.deepEqual([...(pods ?? [])], [0, 0, 1, 0]);
});

test("pods that match a filter are lit, and the nodes that have any", () => {
  const fleet = fleetOf({ nodes: NODES, pods: PODS });
  const { cells, pods } = findMatches(fleet, summaryOf("pods", PODS.slice(1, 2)));
  assert.deepEqual([...(cells ?? [])], [1, 0, 0, 0]);
  assert.deepEqual([...(pods ?? [])], [0, 1, 0, 0]);
});

test("pods that match are lit also if one before them is gone from the map or new in it", () => {
  const fleet = fleetOf({ nodes: NODES, pods: PODS.slice(1) });
  const { pods } = findMatches(fleet, summaryOf("pods", PODS.slice(0, 3)));
  assert.deepEqual([...(pods ?? [])], [1, 1, 0]);
});

test("objects of a filter that the map does not have yet are left out", () => {
  const fleet = fleetOf({ nodes: NODES.slice(0, 1), pods: PODS });
  const { cells } = findMatches(fleet, summaryOf("nodes", NODES.slice(2)));
  assert.deepEqual(cells && [...cells].filter((flag) => flag === 1), []);
});
