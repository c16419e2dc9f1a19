import assert from "node:assert/strict";
import { test } from "node:test";
import { addStretch, findChange, type KnownStretch } from "./known_changes";

function collect(...stretches: readonly (readonly [from: number, to: number, changeCount: number])[]) {
  return stretches.reduce<readonly KnownStretch[]>(
    (known, [from, to, changeCount]) => addStretch(known, { from, to, changeCount }),
    [],
  );
}

test("quiet stretches that touch are one", () => {
  assert.deepEqual(collect([10, 20, 0], [30, 40, 0], [20, 30, 0]), [{ from: 10, to: 40, changeCount: 0 }]);
});

test("stretches with changes stay apart, in the order of time", () => {
  const known = collect([20, 30, 2], [10, 20, 1], [30, 40, 0]);
  assert.deepEqual(
    known.map(({ from, changeCount }) => [from, changeCount]),
    [
      [10, 1],
      [20, 2],
      [30, 0],
    ],
  );
});

test("a stretch that is visited again is known once", () => {
  assert.equal(collect([10, 20, 1], [10, 20, 1]).length, 1);
});

test("of very many stretches, the oldest that touch become one, and those of visits stay", () => {
  const visit = [-1000, -900, 7] as const;
  const known = collect(visit, ...Array.from({ length: 600 }, (_, index) => [index, index + 1, 1] as const));
  assert.equal(known.length, 500);
  assert.deepEqual(known.slice(0, 2), [
    { from: -1000, to: -900, changeCount: 7 },
    { from: 0, to: 102, changeCount: 102 },
  ]);
  assert.equal(known.at(-1)?.to, 600);
});

test("of very many visits, the latest are kept", () => {
  const known = collect(...Array.from({ length: 600 }, (_, index) => [2 * index, 2 * index + 1, 1] as const));
  assert.equal(known.length, 500);
  assert.equal(known[0]?.from, 200);
});

test("the next change in a direction is the end of a stretch with changes", () => {
  const known = collect([10, 20, 1], [20, 30, 0], [30, 40, 3]);
  assert.equal(findChange(known, 40, -1), 20);
  assert.equal(findChange(known, 20, -1), null);
  assert.equal(findChange(known, 20, 1), 40);
  assert.equal(findChange(known, 40, 1), null);
});
