import assert from "node:assert/strict";
import { test } from "node:test";
import { completeExpression } from "./expression";
import { collectLabels, type FilterField, filterVocabulary, selectorVocabulary } from "./vocabulary";
import { completeList } from "./words";

const TEXT = ["!", "=", "!=", "~", "!~", "in", "notin"];
const field = (name: string, rest: Partial<FilterField> = {}): FilterField => ({
  name,
  type: "string",
  isRepeated: false,
  isMap: false,
  values: [],
  operators: TEXT,
  ...rest,
});
const FIELDS = [
  field("phase", { values: ["Failed", "Pending", "Running"] }),
  field("namespace"),
  field("name"),
  field("label", { isMap: true }),
  field("image", { isRepeated: true }),
];
const LABELS = collectLabels([{ labels: { zone: "south", "a b": "x" } }, { labels: { zone: "north" } }, {}]);
const VOCABULARY = filterVocabulary(FIELDS, LABELS, (column) =>
  column === "namespace" ? ["a, b", "kube-system"] : [],
);

/** The expressions that completions at "|" lead to. */
function complete(marked: string, vocabulary = VOCABULARY): string[] {
  const cursor = marked.indexOf("|");
  const expression = marked.replace("|", "");
  return completeExpression(vocabulary, expression, cursor).map(
    ({ from, to, text }) => expression.slice(0, from) + text + expression.slice(to),
  );
}

test("an empty filter completes to every field, and maps go on with a dot", () => {
  assert.deepEqual(complete("|").slice(0, 5), ["phase", "namespace", "name", "label.", "image"]);
});

test("the start of a field comes before its middle", () => {
  assert.deepEqual(complete("na|"), ["namespace", "name"]);
  assert.deepEqual(complete("phase=Failed, !ma|"), ["phase=Failed, !image"]);
  assert.deepEqual(complete("p|hase"), ["phase", "namespace"]);
});

test("operators follow a field", () => {
  assert.deepEqual(complete("phase|").slice(0, 6), [
    "phase=",
    "phase!=",
    "phase~",
    "phase!~",
    "phase in (",
    "phase notin (",
  ]);
  assert.deepEqual(complete("phase no|"), ["phase notin ("]);
  assert.deepEqual(complete("phase|=Failed"), []);
});

test("values are those that the API lists, or those on the screen, in quotes where it is necessary", () => {
  assert.deepEqual(complete("phase=|"), ["phase=Failed", "phase=Pending", "phase=Running"]);
  assert.deepEqual(complete("phase!=run|"), ["phase!=Running"]);
  assert.deepEqual(complete("namespace=|"), ['namespace="a, b"', "namespace=kube-system"]);
  assert.deepEqual(complete('namespace="a|'), ['namespace="a, b"']);
  assert.deepEqual(complete("name=|"), []);
});

test("lists complete each of their values", () => {
  assert.deepEqual(complete("phase in (|"), ["phase in (Failed", "phase in (Pending", "phase in (Running"]);
  assert.deepEqual(complete("phase in (Failed, P|),name=a"), ["phase in (Failed, Pending),name=a"]);
  assert.deepEqual(complete("phase in (Failed)|"), []);
});

test("labels complete with the keys and values of some objects", () => {
  assert.equal(complete("label.z|")[0], "label.zone");
  assert.deepEqual(complete("label.zone=|"), ["label.zone=north", "label.zone=south"]);
});

test("label selectors complete keys, operators and values", () => {
  const selector = selectorVocabulary(LABELS);
  assert.deepEqual(complete("zo|", selector), ["zone"]);
  assert.deepEqual(complete("zone |", selector).slice(-3), ["zone notin (", "zone >", "zone <"]);
  assert.deepEqual(complete("zone in (s|", selector), ["zone in (south"]);
});

test("a list of words completes the item at the cursor, without those that it has", () => {
  const words = ["north", "south, old", "south"];
  assert.deepEqual(completeList(words, "south, ", 7), [
    { from: 7, to: 7, text: "north", label: "north" },
    { from: 7, to: 7, text: '"south, old"', label: "south, old" },
  ]);
  assert.deepEqual(completeList(words, "no,south", 2), [{ from: 0, to: 2, text: "north", label: "north" }]);
});
