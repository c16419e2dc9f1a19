import assert from "node:assert/strict";
import { test } from "node:test";
import type { Quality } from "./document";
import { describeRefresh, groupExporters, groupFailures, groupLeftOut, groupMissing, groupWarnings } from "./groups";

const OK = { source: "a:9090", result: "QUERY_RESULT_OK" };

test("a refresh is complete only if the answer is current and nothing has failed", () => {
  assert.equal(describeRefresh({ complete: true }, true).health, "ok");
  assert.equal(describeRefresh({ complete: true }, false).health, "unknown");
  assert.equal(describeRefresh({ complete: false }, true).health, "warning");
  assert.deepEqual(describeRefresh({ failure: "timeout", complete: true }, true), {
    health: "failed",
    text: "timeout",
  });
});

test("empty fields are grouped by what would fill them, what fills most first, with their queries", () => {
  const quality: Quality = {
    rows: [{ name: "power", promql: "power_watts" }, { name: "pods" }],
    unfilledFields: [
      {
        kind: "Node",
        field: "power_watts",
        reason: "no samples",
        rows: ["power"],
        exporters: ["Scaphandre", "Kepler"],
      },
      { kind: "Pod", field: "services", reason: "no samples", rows: ["pods"], exporters: ["kube-state-metrics"] },
      { kind: "Pod", field: "phase", reason: "not usable", rows: ["pods"], exporters: ["kube-state-metrics"] },
    ],
  };
  const [first, second] = groupMissing(quality);
  assert.equal(first?.exporters, "kube-state-metrics");
  assert.deepEqual(first?.reasons, ["no samples", "not usable"]);
  assert.deepEqual(first?.queries, [{ name: "pods" }]);
  assert.equal(second?.exporters, "Scaphandre or Kepler");
  assert.deepEqual(groupMissing({}), []);
});

test("failed queries with one error are one failure, with the age of what is used instead", () => {
  const failed = { source: "b:9090", result: "QUERY_RESULT_FAILED", error: "HTTP 500" };
  const quality: Quality = {
    rows: [
      { name: "pods", sources: [OK, failed] },
      { name: "nodes", sources: [OK, failed] },
      {
        name: "power",
        sources: [{ source: "b:9090", result: "QUERY_RESULT_STOOD_IN", error: "timeout", ageSeconds: 40 }],
      },
    ],
  };
  assert.deepEqual(groupFailures(quality), [
    { source: "b:9090", error: "HTTP 500", queries: ["pods", "nodes"], ageSeconds: Number.NaN },
    { source: "b:9090", error: "timeout", queries: ["power"], ageSeconds: 40 },
  ]);
});

test("warnings are grouped by source and text", () => {
  const answer = { ...OK, warnings: ["a store is down"] };
  const rows = [
    { name: "pods", sources: [answer] },
    { name: "nodes", sources: [answer] },
  ];
  assert.deepEqual(groupWarnings({ rows }), [
    { source: "a:9090", warning: "a store is down", queries: ["pods", "nodes"] },
  ]);
});

test("samples that are left out are counted by reason", () => {
  const rows = [
    {
      name: "pods",
      unplaced: [{ reason: "unknown node", samples: 2 }],
      conflicts: [{ reason: "superseded", samples: 1 }],
    },
    { name: "nodes", unplaced: [{ reason: "unknown node", samples: 3 }] },
  ];
  assert.deepEqual(groupLeftOut({ rows }), [
    { what: "belong to no known object", reason: "unknown node", samples: 5, queries: ["pods", "nodes"] },
    { what: "contradict others", reason: "superseded", samples: 1, queries: ["pods"] },
  ]);
});

test("an exporter is counted without the part of it that a query needs", () => {
  const rows = [
    { name: "a", exporter: "node_exporter, collector cpu", samples: 3 },
    { name: "b", exporter: "node_exporter" },
    { name: "c", exporter: "cAdvisor", samples: 9 },
  ];
  assert.deepEqual(groupExporters({ rows }), [
    { exporter: "cAdvisor", samples: 9, queries: 1, filled: 1 },
    { exporter: "node_exporter", samples: 3, queries: 2, filled: 1 },
  ]);
});
