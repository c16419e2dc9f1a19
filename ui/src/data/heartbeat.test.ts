import assert from "node:assert/strict";
import { test } from "node:test";
import { Heartbeat } from "./heartbeat";

function start() {
  const counts = { pings: 0, deaths: 0 };
  const heartbeat = new Heartbeat(
    () => {
      counts.pings += 1;
    },
    () => {
      counts.deaths += 1;
    },
  );
  return { counts, heartbeat };
}

test("a worker that answers lives", () => {
  const { counts, heartbeat } = start();
  for (let beat = 0; beat < 10; beat += 1) {
    heartbeat.beat();
    heartbeat.answer();
  }
  assert.deepEqual(counts, { pings: 10, deaths: 0 });
});

test("a worker that does not answer three times is dead, and its successor has as many beats", () => {
  const { counts, heartbeat } = start();
  for (let beat = 0; beat < 3; beat += 1) heartbeat.beat();
  assert.equal(counts.deaths, 0);
  heartbeat.beat();
  assert.equal(counts.deaths, 1);
  for (let beat = 0; beat < 2; beat += 1) heartbeat.beat();
  assert.equal(counts.deaths, 1);
  heartbeat.beat();
  assert.equal(counts.deaths, 2);
});
