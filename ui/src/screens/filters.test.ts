import assert from "node:assert/strict";
import { test } from "node:test";
import { parseProblem, shortDetail } from "../data/problem";
import { equals, joinFilters, problemWithFieldOf, problemWithoutPrefix, quoteValue } from "./filters";

test("a value with characters of the filter language is in quotes", () => {
  assert.equal(quoteValue("kube-system"), "kube-system");
  assert.equal(quoteValue("nuvlabox/e4b06ce6"), "nuvlabox/e4b06ce6");
  assert.equal(quoteValue("a, b"), '"a, b"');
  assert.equal(quoteValue('say "no"\\'), '"say \\"no\\"\\\\"');
  assert.equal(quoteValue(""), '""');
});

test("requirements are joined by commas, without empty ones", () => {
  assert.equal(joinFilters("phase=Failed", " ", equals("cluster", "a=b")), 'phase=Failed,cluster="a=b"');
});

test("the position in the problem of a filter is that in the field", () => {
  const detailOf = (detail: string, joined: string, typed: string) =>
    problemWithoutPrefix(parseProblem(400, JSON.stringify({ detail })), joined, typed).detail;
  const detail = "filter: expected an operator at character 17, got 'b'";
  assert.equal(detailOf(detail, "cluster=south,a b", "a b"), "filter: expected an operator at character 3, got 'b'");
  assert.equal(detailOf(detail, "aaaaaaaaaaaaaaa b", "aaaaaaaaaaaaaaa b"), detail);
  assert.equal(detailOf("filter: unknown field 'a'", "cluster=south,a", "a"), "filter: unknown field 'a'");
});

test("who filters by the label of a column is told the field that it shows", () => {
  const columns = [
    { name: "restartCount", label: "Restarts" },
    { name: "cpuUsagePercent", label: "CPU" },
  ];
  const nearestOf = (field: string) => {
    const detail = `filter: pods have no field ${field}; allowed: name, restart_count`;
    const problem = parseProblem(400, JSON.stringify({ detail, allowed: ["name", "restart_count"] }));
    return problemWithFieldOf(problem, columns).nearest;
  };
  assert.deepEqual(nearestOf("restarts"), ["restart_count"]);
  assert.equal(nearestOf("CPU"), undefined);
  assert.equal(nearestOf("speed"), undefined);
});

test("of many allowed values, the first are named and the others counted", () => {
  const detailOf = (count: number) => {
    const allowed = Array.from({ length: count }, (_, index) => `field_${index + 1}`);
    return shortDetail(parseProblem(400, JSON.stringify({ detail: `no; allowed: ${allowed.join(", ")}`, allowed })));
  };
  assert.match(detailOf(8), /, field_8$/);
  assert.match(detailOf(11), /: field_1, .*, field_8 and 3 more$/);
});
