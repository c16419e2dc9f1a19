import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRows, type Change, compareFields, countChanges, describeCounts, findChanges } from "./delta";

const ADDED: Change = { type: "ADDED", kind: "nodes", id: "1", cluster: "north", name: "n10" };
const REMOVED: Change = { type: "REMOVED", kind: "nodes", id: "2", cluster: "north", name: "n9" };
const MODIFIED: Change = {
  type: "MODIFIED",
  kind: "pods",
  id: "3",
  cluster: "east",
  namespace: "web",
  name: "nginx",
  set: { phase: "Failed" },
  before: { phase: "Running" },
};

function titles(changes: readonly Change[], toggled: readonly string[] = [], areFieldsShown = true): string[] {
  return buildRows(changes, new Set(toggled), areFieldsShown).map((row) => {
    if (row.type === "group") return row.title;
    return row.type === "object" ? (row.change.name ?? "") : row.field.label;
  });
}

test("changes are grouped by cluster and kind, and sorted by name", () => {
  assert.deepEqual(titles([ADDED, REMOVED, MODIFIED]), [
    "east",
    "Pods",
    "nginx",
    "Phase",
    "north",
    "Nodes",
    "n9",
    "n10",
  ]);
});

test("a row that is closed hides what is below it", () => {
  assert.deepEqual(titles([ADDED, MODIFIED], ['["east"]', '["north","nodes"]']), ["east", "north", "Nodes"]);
});

test("of many changes, the fields are hidden until somebody opens the object", () => {
  assert.deepEqual(titles([MODIFIED], [], false), ["east", "Pods", "nginx"]);
  assert.deepEqual(titles([MODIFIED], ['["east","pods","3"]'], false), ["east", "Pods", "nginx", "Phase"]);
});

test("a cluster that is new is below its own name", () => {
  assert.deepEqual(titles([{ type: "ADDED", kind: "clusters", id: "c", name: "west" }]), ["west", "Cluster", "west"]);
});

test("counts name only what there is", () => {
  assert.equal(describeCounts(countChanges([ADDED, ADDED, MODIFIED])), "2 added, 1 changed");
});

test("changes are found by names and by changed fields", () => {
  const all = [ADDED, REMOVED, MODIFIED];
  assert.deepEqual(findChanges(all, "N9"), [REMOVED]);
  assert.deepEqual(findChanges(all, "phase"), [MODIFIED]);
  assert.deepEqual(findChanges(all, "web"), [MODIFIED]);
  assert.deepEqual(findChanges(all, " "), all);
});

test("values are compared within lists of named parts and within objects", () => {
  const fields = compareFields({
    ...MODIFIED,
    set: {
      containers: [
        { name: "a", restartCount: 3 },
        { name: "c", restartCount: 0 },
      ],
      labels: { tier: "front" },
    },
    before: {
      containers: [
        { name: "a", restartCount: 2 },
        { name: "b", restartCount: 1 },
      ],
      labels: { tier: "front", zone: "x" },
    },
  });
  assert.deepEqual(
    fields.map(({ label, before, after }) => [label, before, after]),
    [
      ["Containers › a › Restart count", "2", "3"],
      ["Containers › b › Name", "b", ""],
      ["Containers › b › Restart count", "1", ""],
      ["Containers › c › Name", "", "c"],
      ["Containers › c › Restart count", "", "0"],
      ["Labels › zone", "x", ""],
    ],
  );
});

test("a field without a value any longer is unknown after it", () => {
  const [field] = compareFields({
    ...MODIFIED,
    set: {},
    unset: ["memoryBytes"],
    before: { memoryBytes: "1073741824" },
  });
  assert.deepEqual([field?.label, field?.before, field?.after], ["Memory", "1 GiB", ""]);
});

test("objects of two clusters with the same ID are rows of their own", () => {
  const rows = buildRows([MODIFIED, { ...MODIFIED, cluster: "west" }], new Set(), true);
  assert.equal(new Set(rows.map(({ key }) => key)).size, rows.length);
});
