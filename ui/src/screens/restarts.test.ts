import assert from "node:assert/strict";
import { test } from "node:test";
import { restartInterval } from "./restarts";

const HOUR = 3600;

test("a container that restarts every hour restarts often", () => {
  assert.equal(restartInterval(10, 0, 10 * HOUR), HOUR);
});

test("few restarts, rare ones, and those of an unknown time are no problem", () => {
  assert.ok(Number.isNaN(restartInterval(2, 0, HOUR)));
  assert.ok(Number.isNaN(restartInterval(10, 0, 1000 * HOUR)));
  assert.ok(Number.isNaN(restartInterval(10, Number.NaN, HOUR)));
  assert.ok(Number.isNaN(restartInterval(Number.NaN, 0, HOUR)));
});
