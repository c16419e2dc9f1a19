import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { sleep } from "./sleep";

const LONG_SECONDS = 3600;

test("a pause that is over leaves nothing at the signal", async () => {
  const { signal } = new AbortController();
  await sleep(0, signal);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a pause ends when the signal is aborted, also before it began", async () => {
  const abort = new AbortController();
  const pause = sleep(LONG_SECONDS, abort.signal);
  abort.abort();
  await pause;
  await sleep(LONG_SECONDS, abort.signal);
});
