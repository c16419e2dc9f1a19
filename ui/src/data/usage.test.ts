import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeSummary } from "./columns";
import { parseSort, sortRows } from "./order";
import { addUsage } from "./usage";

const RESPONSE = {
  version: "v",
  totalCount: 3,
  columns: {
    cpuUsageCores: { values: [8, 3, 1] },
    cpuCores: { values: [16, 4, 0] },
    availableMemoryBytes: { values: [75, null, 10] },
    memoryBytes: { values: [100, 100, 100] },
  },
};

test("clusters have their usage in percent, unknown if a part is unknown or there is nothing to use", () => {
  const { columns } = addUsage("clusters", decodeSummary(RESPONSE));
  assert.deepEqual(columns["cpuUsagePercent"], { type: "number", values: Float64Array.of(50, 75, Number.NaN) });
  assert.deepEqual(columns["memoryUsagePercent"], { type: "number", values: Float64Array.of(25, Number.NaN, 90) });
});

test("clusters are sorted by the share that is used, not by the amount", () => {
  const columns = addUsage("clusters", decodeSummary(RESPONSE));
  assert.deepEqual([...sortRows(columns, parseSort("-cpuUsagePercent"))], [1, 0, 2]);
  assert.deepEqual([...sortRows(columns, parseSort("-memoryUsagePercent"))], [2, 0, 1]);
});

test("other kinds, and clusters without the parts, stay as they are", () => {
  const columns = decodeSummary(RESPONSE);
  assert.equal(addUsage("pods", columns), columns);
  assert.deepEqual(addUsage("clusters", { ...columns, columns: {} }).columns, {});
});
