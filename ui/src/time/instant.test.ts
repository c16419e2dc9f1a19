import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalInstant, chooseSpan, chooseWindow, parseInstant, SPANS, stepFrom } from "./instant";

const NOW = Date.parse("2026-11-30T18:05:40Z") / 1000;

function spanNamed(name: string) {
  return SPANS.find((span) => span.name === name) ?? assert.fail(name);
}

test("a time is written in RFC 3339, in Unix seconds, or relative to now", () => {
  for (const text of [
    "2026-11-30T17:05:40Z",
    "2026-11-30T17:05:40.9z",
    "2026-11-30T18:05:40+01:00",
    "2026-11-30T18:05:40 01:00",
    String(NOW - 3600),
    "-1h",
    "-60m",
    "-3600s",
    "-30m1800s",
  ]) {
    assert.equal(canonicalInstant(text, NOW), "2026-11-30T17:05:40Z", text);
  }
});

test("what is no time has no instant", () => {
  for (const text of ["", "yesterday", "-999999y", "2026-11-30", "2026-11-30T18:05:40", "2026-13-30T18:05:40Z", "1h"]) {
    assert.equal(canonicalInstant(text, NOW), null, text);
  }
});

test("without a span in the address, the slider covers as little as the time needs", () => {
  assert.equal(chooseSpan("", null, NOW).name, "1h");
  assert.equal(chooseSpan("", NOW - 3601, NOW).name, "6h");
  assert.equal(chooseSpan("", NOW - 90 * 86_400, NOW).name, "30d");
  assert.equal(chooseSpan("7d", NOW - 60, NOW).name, "7d");
  assert.equal(chooseSpan("constructor", NOW - 60, NOW).name, "1h");
});

test("a time within the span is on a slider that ends now", () => {
  const window = chooseWindow(spanNamed("1h"), NOW - 1800, NOW);
  assert.deepEqual(window, chooseWindow(spanNamed("1h"), null, NOW));
  assert.equal(window.isLive, true);
  assert.equal(window.end, parseInstant("2026-11-30T18:06:00Z", NOW));
});

test("an earlier time is within the middle of its slider, also after small steps", () => {
  const span = spanNamed("1h");
  for (let time = NOW - 30 * 3600; time < NOW - 2 * 3600; time += 60) {
    const { start, end, isLive } = chooseWindow(span, time, NOW);
    assert.equal(isLive, false);
    assert.ok(time - start >= 900 && end - time >= 900, String(time));
    assert.equal(start % span.stepSeconds, 0);
  }
});

test("no slider goes beyond now", () => {
  const { end } = chooseWindow(spanNamed("6h"), NOW - 7 * 3600, NOW);
  assert.ok(end - NOW < 300);
});

test("steps go to whole multiples, and from the last one to now", () => {
  const span = spanNamed("1h");
  const at = (text: string) => parseInstant(`2026-11-30T${text}Z`, NOW);
  assert.equal(stepFrom(null, -1, span, NOW), at("18:05:00"));
  assert.equal(stepFrom(at("18:05:00"), -1, span, NOW), at("18:04:00"));
  assert.equal(stepFrom(at("18:03:20"), 1, span, NOW), at("18:04:00"));
  assert.equal(stepFrom(at("18:05:00"), 1, span, NOW), null);
});
