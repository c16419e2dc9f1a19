import assert from "node:assert/strict";
import test from "node:test";
import { luminance } from "../../components/palette";
import { HEALTHS } from "../../data/health";
import { COLOUR_MODES, colourModeOf } from "./scales";
import { summaryOf } from "./testing";

test("a node is in the class of its value, and one without a value is not known", () => {
  const nodes = summaryOf("nodes", [
    { cluster: "c", name: "a", memoryUsagePercent: 75 },
    { cluster: "c", name: "b", memoryUsagePercent: null },
  ]);
  const { classOf, classes, counts, textOf } = COLOUR_MODES.memory.nodes(nodes, 0);
  assert.deepEqual(
    [...classOf].map((code) => classes[code]?.label),
    ["60 % to 80 %", "unknown"],
  );
  assert.equal(textOf(0), "75 %");
  assert.deepEqual(counts, [0, 0, 0, 1, 0, 1]);
});

test("a value at a bound belongs to the higher class", () => {
  const nodes = summaryOf("nodes", [{ cluster: "c", name: "a", cpuUsagePercent: 80 }]);
  const { classOf, classes } = COLOUR_MODES.cpu.nodes(nodes, 0);
  assert.equal(classes[classOf[0] ?? -1]?.label, "80 % or more");
});

test("little available memory has the colour of much memory in use", () => {
  const nodes = summaryOf("nodes", [{ cluster: "c", name: "a", availableMemoryBytes: 1 }]);
  const { classOf, classes } = COLOUR_MODES.free.nodes(nodes, 0);
  assert.equal(classes[classOf[0] ?? -1]?.colour, "step-4");
});

test("ages are counted from when the topology was queried", () => {
  const pods = summaryOf("pods", [{ cluster: "c", name: "a", startTime: 1000 }]);
  assert.equal(COLOUR_MODES.age.pods(pods, 1000 + 7200).textOf(0), "2 h");
});

test("the ninth type and those after it share a colour", () => {
  const types = Array.from({ length: 11 }, (_, index) => `type-${String(index).padStart(2, "0")}`);
  const nodes = summaryOf(
    "nodes",
    types.map((type) => ({ cluster: "c", name: type, type })),
  );
  const { classes, counts } = COLOUR_MODES.type.nodes(nodes, 0);
  assert.equal(classes.length, 10);
  assert.deepEqual(classes[8], { colour: "other", label: "3 others" });
  assert.equal(counts[8], 3);
});

test("a single type without a colour of its own is one other", () => {
  const rows = Array.from({ length: 9 }, (_, index) => ({ cluster: "c", name: `n${index}`, type: `type-${index}` }));
  assert.equal(COLOUR_MODES.type.nodes(summaryOf("nodes", rows), 0).classes[8]?.label, "1 other");
});

test("a health that is not known by name is unknown", () => {
  const nodes = summaryOf("nodes", [{ cluster: "c", name: "a", health: "excellent" }]);
  assert.equal(COLOUR_MODES.health.nodes(nodes, 0).classOf[0], HEALTHS.indexOf("unknown"));
});

test("a colour of the address that does not exist is the health", () => {
  assert.equal(colourModeOf("constructor"), COLOUR_MODES.health);
  assert.equal(colourModeOf("cpu"), COLOUR_MODES.cpu);
});

test("the luminance is that of WCAG", () => {
  assert.equal(luminance(255, 255, 255), 1);
  assert.equal(luminance(0, 0, 0), 0);
  assert.ok(Math.abs(luminance(119, 119, 119) - 0.184) < 0.001);
});
