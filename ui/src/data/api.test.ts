import assert from "node:assert/strict";
import { test } from "node:test";
import { askUntilAnswered } from "./api";
import { ProblemError, parseProblem } from "./problem";

/** Ask for what fails with these statuses, one after the other, and then is answered; return what happened. */
async function askWithFailures(statuses: readonly number[], abortAfter = Number.POSITIVE_INFINITY): Promise<string[]> {
  const events: string[] = [];
  const abort = new AbortController();
  const left = [...statuses];
  await askUntilAnswered(
    async () => {
      const status = left.shift();
      if (status !== undefined) throw new ProblemError(parseProblem(status, ""));
      return "answer";
    },
    {
      signal: abort.signal,
      onAnswer: (answer) => events.push(answer),
      onProblem: ({ status }) => events.push(`${status}`),
      pause: async () => {
        if (events.length >= abortAfter) abort.abort();
      },
    },
  );
  return events;
}

test("what fails is asked again until it is answered", async () => {
  assert.deepEqual(await askWithFailures([503, 502]), ["503", "502", "answer"]);
});

test("an invalid request and a refused token are not asked again", async () => {
  assert.deepEqual(await askWithFailures([503, 400]), ["503", "400"]);
  assert.deepEqual(await askWithFailures([401]), ["401"]);
});

test("nobody asks again after the screen is left", async () => {
  assert.deepEqual(await askWithFailures([503, 503, 503], 2), ["503", "503"]);
});
