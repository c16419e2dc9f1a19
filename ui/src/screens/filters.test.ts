import assert from "node:assert/strict";
import { test } from "node:test";
import { equals, joinFilters, quoteValue } from "./filters";

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
