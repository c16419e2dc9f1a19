import assert from "node:assert/strict";
import { test } from "node:test";
import { parseProblem, unreachable } from "./problem";
import { retryPause } from "./retry";

const DOWN = unreachable();

test("pauses grow from one second to half a minute", () => {
  const pauses = [1, 2, 3, 4, 5, 6, 50].map((failures) => retryPause(DOWN, failures, Number.NaN, 0.5));
  assert.deepEqual(pauses, [1, 2, 4, 8, 16, 30, 30]);
});

test("chance spreads pauses by a fifth in both directions", () => {
  assert.equal(retryPause(DOWN, 4, Number.NaN, 0), 6.4);
  assert.ok(Math.abs(retryPause(DOWN, 4, Number.NaN, 1) - 9.6) < 1e-9);
});

test("Retry-After is a lower limit, within reason", () => {
  const unavailable = parseProblem(503, "");
  assert.equal(retryPause(unavailable, 1, 20, 0.5), 20);
  assert.equal(retryPause(unavailable, 6, 5, 0.5), 30);
  assert.equal(retryPause(unavailable, 1, 86_400, 0.5), 120);
});

test("a refused token and a wrong request are not sent again", () => {
  assert.equal(retryPause(parseProblem(401, ""), 1, Number.NaN, 0.5), Number.POSITIVE_INFINITY);
  assert.equal(retryPause(parseProblem(400, ""), 1, Number.NaN, 0.5), Number.POSITIVE_INFINITY);
  assert.equal(retryPause(parseProblem(408, ""), 1, Number.NaN, 0.5), 1);
});

test("what is missing or forbidden is looked for again", () => {
  assert.equal(retryPause(parseProblem(404, ""), 9, Number.NaN, 0.5), 10);
  assert.equal(retryPause(parseProblem(403, ""), 9, Number.NaN, 0.5), 10);
});

test("problem details are read", () => {
  const body = { title: "Bad request", detail: "filter: …", parameter: "filter", nearest: ["name"], allowed: [] };
  assert.deepEqual(parseProblem(400, JSON.stringify(body)), {
    kind: "invalid",
    status: 400,
    title: "Bad request",
    detail: "filter: …",
    parameter: "filter",
    nearest: ["name"],
  });
});

test("error responses that are no problem details have a title by their status", () => {
  for (const body of ["", "<html>", "[]", "null", '{"title": 5, "nearest": "x"}']) {
    assert.deepEqual(parseProblem(503, body), {
      kind: "unavailable",
      status: 503,
      title: "There is no topology yet",
      detail: "",
    });
  }
  assert.equal(parseProblem(502, "").kind, "failed");
  assert.equal(parseProblem(429, "").kind, "failed");
});
