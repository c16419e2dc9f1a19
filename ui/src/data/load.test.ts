import assert from "node:assert/strict";
import { test } from "node:test";
import { loadWhenReachable } from "./load";

/** A gateway that answers these questions, one after the other. */
function answering(...answers: boolean[]): () => Promise<boolean> {
  return async () => {
    const answer = answers.shift();
    assert.notEqual(answer, undefined);
    return answer === true;
  };
}

const pause = async () => undefined;

test("during an outage, nothing is loaded until the gateway answers", async () => {
  let attempts = 0;
  const load = async () => ++attempts;
  assert.equal(await loadWhenReachable(load, answering(false, false, true), pause, true), 1);
});

test("a part that is lost with the gateway is loaded again when it is back", async () => {
  let attempts = 0;
  const load = async () => {
    attempts += 1;
    if (attempts === 1) throw new TypeError("no network");
    return "screen";
  };
  assert.equal(await loadWhenReachable(load, answering(false, true), pause, false), "screen");
});

test("a part that the gateway does not have is an error", async () => {
  const load = () => Promise.reject(new TypeError("404"));
  await assert.rejects(loadWhenReachable(load, answering(true), pause, false), /404/);
});
