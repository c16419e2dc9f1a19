import assert from "node:assert/strict";
import { test } from "node:test";
import { createSummary } from "../testing";
import { addUpClusters, describeCounts } from "./totals";

const CLUSTERS = createSummary("clusters", [
  { name: "a", nodeCount: 2, failedNodeCount: 1, cpuCores: 8, cpuUsageCores: 4, podCount: 10 },
  { name: "b", nodeCount: 3, failedNodeCount: 0, cpuCores: 100, cpuUsageCores: null, podCount: 5 },
]);

test("clusters are added up; a capacity counts only where its usage is known", () => {
  const totals = addUpClusters(CLUSTERS);
  assert.deepEqual(totals.nodes, { all: 5, failed: 1, warning: 0 });
  assert.equal(totals.cpu.capacity, 8);
  assert.equal(totals.cpu.used, 4);
});

test("with a cluster, only this one counts", () => {
  assert.equal(addUpClusters(CLUSTERS, "b").pods.all, 5);
  assert.equal(addUpClusters(CLUSTERS, "c").clusters, 0);
});

test("counts are shown only if something is wrong", () => {
  assert.equal(describeCounts({ failed: 0, warning: 0 }), "");
  assert.equal(describeCounts({ failed: 1200, warning: 1 }), "1,200 failed, 1 with a warning");
});
