import assert from "node:assert/strict";
import { test } from "node:test";
import { createSummary } from "../testing";
import { describeTotals } from "./totals";

const GIB = 2 ** 30;

test("nodes have the sum of their capacity, and the used share where usage is known", () => {
  const nodes = createSummary("nodes", [
    { health: "failed", cpuCores: 4, cpuUsagePercent: 50, memoryBytes: 8 * GIB, availableMemoryBytes: 2 * GIB },
    { health: "warning", cpuCores: 4, cpuUsagePercent: null, memoryBytes: 8 * GIB, availableMemoryBytes: null },
    { health: "ok" },
  ]);
  assert.deepEqual(describeTotals("nodes", nodes), [
    "1 failed, 1 with a warning",
    "8 cores, 50 % used",
    "16 GiB, 75 % used",
  ]);
});

test("pods have what they use; what is not known is not there", () => {
  const pods = createSummary("pods", [
    { health: "ok", cpuUsageCores: 0.5 },
    { health: "ok", cpuUsageCores: 1 },
  ]);
  assert.deepEqual(describeTotals("pods", pods), ["1.5 cores used"]);
});
