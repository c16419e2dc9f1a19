import assert from "node:assert/strict";
import { test } from "node:test";
import { listNames, sentenceText } from "./sentence";

test("a list of names is cut where more than one is left out", () => {
  assert.equal(sentenceText(listNames([])), "");
  assert.equal(sentenceText(listNames(["a"])), "a");
  assert.equal(sentenceText(listNames(["a", "b"])), "a and b");
  assert.equal(sentenceText(listNames(["a", "b", "c", "d"])), "a, b, c and d");
  assert.equal(sentenceText(listNames(["a", "b", "c", "d", "e"])), "a, b, c and 2 more");
  assert.equal(sentenceText(listNames(["a", "b", "c", "d"], 1204)), "a, b, c and 1,201 more");
});

test("names in a sentence show their invisible characters", () => {
  assert.equal(sentenceText([{ name: "a\u202eb" }, ": gone"]), "a⟨U+202E⟩b: gone");
});
