import assert from "node:assert/strict";
import { test } from "node:test";
import { SCREENS } from "../list";
import { buildGroups, placeOfChoice, type SearchMatch, splitMatch } from "./items";

const POD: SearchMatch = {
  kind: "pod",
  cluster: "south/1",
  namespace: "shop",
  name: "web-0",
  field: "image",
  value: "nginx:1.25",
  health: "failed",
};

test("an empty search offers the screens", () => {
  const [screens, ...rest] = buildGroups(" ", null);
  assert.equal(screens?.title, "Screens");
  assert.equal(screens?.items.length, SCREENS.length);
  assert.deepEqual(rest, []);
});

test("matches are grouped by kind, best first, with their address, their place and the field that matches", () => {
  const node = { ...POD, kind: "node", namespace: "", name: "nginx-1", field: "name", health: "ok" };
  const groups = buildGroups("nginx", { totalCount: 3, matches: [node, POD, { ...node, name: "nginx-2" }] });
  assert.deepEqual(
    groups.map(({ title, items }) => [title, items.map(({ name }) => name)]),
    [
      ["Nodes", ["nginx-1", "nginx-2"]],
      ["Pods", ["web-0"]],
      ["Tables", ["Nodes", "Pods", "Containers"].map((kind) => `${kind} with this in their name`)],
    ],
  );
  const [first, second] = groups[0]?.items ?? [];
  assert.equal(first?.field, "");
  assert.equal(first?.place, "south/1");
  assert.equal(second?.href, "/ui/clusters/south%2F1/nodes/nginx-2");
  const pod = groups[1]?.items[0];
  assert.equal(pod?.href, "/ui/clusters/south%2F1/pods/shop/web-0");
  assert.deepEqual(
    [pod?.place, pod?.field, pod?.value, pod?.health],
    ["south/1 / shop", "image", "nginx:1.25", "failed"],
  );
});

test("screens are found by the start of their name, and a text becomes a filter of tables", () => {
  const groups = buildGroups("MA", { totalCount: 0, matches: [] });
  assert.deepEqual(
    groups.map(({ items }) => items[0]?.href),
    ["/ui/map", "/ui/nodes?filter=name~MA"],
  );
  assert.equal(buildGroups("a, b", null)[0]?.items[1]?.href, "/ui/pods?filter=name~%22a,+b%22");
});

test("the part of a text that matches is found in upper and lower case", () => {
  assert.deepEqual(splitMatch("Athens-master", "athens"), ["", "Athens", "-master"]);
  assert.deepEqual(splitMatch("worker", "athens"), ["worker", "", ""]);
  assert.deepEqual(splitMatch("worker", ""), ["worker", "", ""]);
  assert.deepEqual(splitMatch("İstanbul-1", "1"), ["İstanbul-1", "", ""]);
});

test("a choice stays with its item when an answer moves it, and is the first item without one", () => {
  const itemsOf = (...matches: SearchMatch[]) =>
    buildGroups("web", { totalCount: matches.length, matches }).flatMap(({ items }) => items);
  const before = itemsOf(POD);
  const href = before[0]?.href ?? "";
  assert.equal(placeOfChoice(itemsOf({ ...POD, name: "web-1" }, POD), href), 1);
  assert.equal(placeOfChoice(before, null), 0);
  assert.equal(placeOfChoice(before, "/ui/gone"), 0);
});
