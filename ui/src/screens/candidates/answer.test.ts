import assert from "node:assert/strict";
import { test } from "node:test";
import { buildCommand, candidateNotes, keepRows, reasonText, weightsOf } from "./answer";

const node = (id: string, score = 0.5) => ({ id, cluster: "c", node: id, score });

test("where a token is required, the command has a place for it", () => {
  assert.equal(
    buildCommand("http://x", {}, true),
    `curl -s -H "Authorization: Bearer $TOKEN" 'http://x/api/v1/candidates' -d '{}'`,
  );
});

test("the first answer is shown as it is", () => {
  const { rows, isOutdated } = keepRows(null, [node("a"), node("b")]);
  assert.deepEqual(
    rows.map(({ item }) => item.id),
    ["a", "b"],
  );
  assert.equal(isOutdated, false);
});

test("later answers change values, and neither order nor rows", () => {
  const first = keepRows(null, [node("a"), node("b")]);
  const next = keepRows(first, [node("c"), node("b", 0.9)]);
  assert.deepEqual(
    next.rows.map(({ item, isThere }) => [item.id, item.score, isThere]),
    [
      ["a", 0.5, false],
      ["b", 0.9, true],
    ],
  );
  assert.equal(next.isOutdated, true);
  assert.equal(keepRows(next, [node("a"), node("b")]).isOutdated, false);
});

test("weights are those of the request, or the default of the API", () => {
  assert.deepEqual(
    [...weightsOf({})],
    [
      ["freeCpu", 1],
      ["freeMemory", 1],
    ],
  );
  assert.deepEqual([...weightsOf({ near: {} }).keys()], ["freeCpu", "freeMemory", "distance"]);
  assert.deepEqual([...weightsOf({ near: {}, ranking: { security: 2, spread: 0 } })], [["security", 2]]);
});

test("reasons and notes are words", () => {
  assert.equal(reasonText("REJECTION_REASON_INSUFFICIENT_CPU"), "insufficient CPU");
  assert.equal(reasonText("REJECTION_REASON_UNKNOWN_GPUS"), "unknown GPUs");
  const notes = candidateNotes({ ...node("a"), avoidedTaints: 1, isReady: true, freePods: "1020" });
  assert.deepEqual(notes, ["score divided by 2: 1 taint with PreferNoSchedule", "1,020 more pods"]);
});

test("the command can be pasted into a shell", () => {
  assert.equal(
    buildCommand("http://x", { clusters: ["it's"] }),
    String.raw`curl -s 'http://x/api/v1/candidates' -d '{"clusters":["it'\''s"]}'`,
  );
});
