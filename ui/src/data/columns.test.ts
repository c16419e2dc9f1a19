import assert from "node:assert/strict";
import { test } from "node:test";
import { copyColumns, decodeSummary, type SummaryResponse } from "./columns";
import { Summary } from "./summary";

const RESPONSE: SummaryResponse = {
  version: "v1",
  totalCount: 3,
  columns: {
    cluster: { names: ["a", "b"], indexes: [0, null, 1] },
    name: { values: ["n1", "n2", "n1"] },
    zone: { values: [null, "north", ""] },
    cpuUsageRatio: { values: [0.12, null, 3] },
    isReporting: { values: [true, false, null] },
    gpuCount: { values: [null, null, null] },
  },
};

function summarize(response: SummaryResponse): Summary {
  return new Summary("nodes", { revision: 1, columns: decodeSummary(response), ids: Uint32Array.of(7, 3, 9) });
}

test("texts are read as they were sent, and unknown ones are empty", () => {
  const summary = summarize(RESPONSE);
  assert.equal(summary.count, 3);
  assert.deepEqual(
    [0, 1, 2].map((row) => summary.text("cluster", row)),
    ["a", "", "b"],
  );
  assert.deepEqual(
    [0, 1, 2].map((row) => summary.text("name", row)),
    ["n1", "n2", "n1"],
  );
  assert.deepEqual(
    [0, 1, 2].map((row) => summary.text("zone", row)),
    ["", "north", ""],
  );
});

test("an unknown text may be one of the names", () => {
  const columns = { zone: { names: ["north", null, ""], indexes: [0, 1, 2] } };
  const summary = summarize({ ...RESPONSE, columns });
  assert.deepEqual(
    [0, 1, 2].map((row) => summary.text("zone", row)),
    ["north", "", ""],
  );
});

test("numbers are read as they were sent, and unknown ones are NaN", () => {
  const summary = summarize(RESPONSE);
  assert.deepEqual([...summary.numbers("cpuUsageRatio")], [0.12, Number.NaN, 3]);
  assert.deepEqual([...summary.numbers("isReporting")], [1, 0, Number.NaN]);
  assert.deepEqual([...summary.numbers("gpuCount")], [Number.NaN, Number.NaN, Number.NaN]);
  assert.deepEqual(
    [0, 1, 2].map((row) => summary.text("isReporting", row)),
    ["true", "false", ""],
  );
});

test("columns that do not exist are unknown", () => {
  const summary = summarize(RESPONSE);
  assert.equal(summary.has("speed"), false);
  assert.equal(summary.text("speed", 0), "");
  assert.equal(summary.number("speed", 0), Number.NaN);
  assert.equal(summary.numbers("speed").length, 0);
  assert.equal(summary.number("name", 0), Number.NaN);
});

test("texts that repeat are categories with an entry for unknown", () => {
  const { names, indexes } = summarize(RESPONSE).categories("cluster") ?? { names: [], indexes: [] };
  assert.deepEqual(
    [...indexes].map((index) => names[index]),
    ["a", "", "b"],
  );
  assert.equal(summarize(RESPONSE).categories("name"), null);
});

test("an object is found by its names, and not by a part of them", () => {
  const summary = summarize(RESPONSE);
  assert.equal(summary.rowOf(["b", "n1"]), 2);
  assert.equal(summary.rowOf(["a", "n1"]), 0);
  assert.equal(summary.rowOf(["a", "n"]), -1);
  assert.equal(summary.rowOf(["a", "n12"]), -1);
  assert.equal(summary.rowOf(["n1"]), -1);
  assert.deepEqual(summary.names(2), ["b", "n1"]);
});

test("an object is found by its number", () => {
  const summary = summarize(RESPONSE);
  assert.deepEqual(
    [7, 3, 9].map((id) => summary.rowOfId(id)),
    [0, 1, 2],
  );
  assert.deepEqual(
    [0, 8, 1000].map((id) => summary.rowOfId(id)),
    [-1, -1, -1],
  );
});

test("a copy has the same cells and buffers of its own", () => {
  const columns = decodeSummary(RESPONSE);
  const { copy, buffers } = copyColumns(columns);
  assert.deepEqual(copy, columns);
  structuredClone(copy, { transfer: buffers });
  assert.equal(new Summary("nodes", { revision: 1, columns, ids: new Uint32Array(3) }).text("name", 1), "n2");
});

test("an empty summary has no rows", () => {
  const summary = summarize({ version: "v", totalCount: 0, columns: { name: { values: [] } } });
  assert.equal(summary.count, 0);
  assert.equal(summary.rowOf(["a", "b"]), -1);
});
