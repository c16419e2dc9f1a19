import assert from "node:assert/strict";
import { test } from "node:test";
import {
  hrefOf,
  hrefOfObject,
  type ObjectRef,
  objectKey,
  objectPath,
  parseAddress,
  parseObjectKey,
  parseRoute,
  type Route,
} from "./router";

const AWKWARD = "a/b c%?#&,<>é\u202e";

const ADDRESSES: readonly (readonly [string, Route])[] = [
  ["/ui/overview", { screen: "overview" }],
  ["/ui/map", { screen: "map" }],
  ["/ui/pods", { screen: "table", kind: "pods" }],
  ["/ui/clusters", { screen: "table", kind: "clusters" }],
  ["/ui/clusters/c", { screen: "detail", object: { kind: "cluster", cluster: "c" } }],
  ["/ui/clusters/c/nodes/n", { screen: "detail", object: { kind: "node", cluster: "c", node: "n" } }],
  ["/ui/clusters/c/pods/ns/p", { screen: "detail", object: { kind: "pod", cluster: "c", namespace: "ns", pod: "p" } }],
  ["/ui/clusters/c/pods/-/p", { screen: "detail", object: { kind: "pod", cluster: "c", namespace: "", pod: "p" } }],
  [
    "/ui/clusters/nuvlabox%2Fe4b0/nodes/n",
    { screen: "detail", object: { kind: "node", cluster: "nuvlabox/e4b0", node: "n" } },
  ],
];

test("a route has one address, and the address leads back to it", () => {
  for (const [path, route] of ADDRESSES) {
    assert.deepEqual(parseRoute(path), route);
    assert.equal(hrefOf(route), path);
  }
});

test("/ui is the overview, and a slash at the end does not matter", () => {
  assert.deepEqual(parseRoute("/ui"), { screen: "overview" });
  assert.deepEqual(parseRoute("/ui/"), { screen: "overview" });
  assert.deepEqual(parseRoute("/ui/nodes/"), { screen: "table", kind: "nodes" });
});

test("paths of no screen are unknown and keep their text", () => {
  for (const path of [
    "/ui/x",
    "/ui/clusters/c/x",
    "/ui/clusters/c/nodes",
    "/ui/clusters/c/pods/p",
    "/ui/map/x",
    "/uix",
  ]) {
    assert.deepEqual(parseRoute(path), { screen: "unknown", path });
  }
  assert.equal(parseRoute("/ui/clusters/%E0%A4%A").screen, "unknown");
});

test("any names survive the address and the key of an object", () => {
  const objects: readonly ObjectRef[] = [
    { kind: "cluster", cluster: AWKWARD },
    { kind: "node", cluster: AWKWARD, node: AWKWARD },
    { kind: "pod", cluster: AWKWARD, namespace: AWKWARD, pod: AWKWARD },
    { kind: "pod", cluster: "c", namespace: "", pod: "p" },
  ];
  for (const object of objects) {
    const url = new URL(hrefOfObject(object), "http://gateway");
    assert.deepEqual(parseAddress(url).route, { screen: "detail", object });
    assert.deepEqual(parseObjectKey(objectKey(object)), object);
  }
  const container: ObjectRef = { kind: "container", cluster: "c", namespace: "", pod: "p", container: AWKWARD };
  assert.deepEqual(parseObjectKey(objectKey(container)), container);
});

test("keys of no object are refused", () => {
  for (const key of ["", "node", "node/c", "node//n", "pod/c/n", "planet/c", "node/%E0%A4%A/n"]) {
    assert.equal(parseObjectKey(key), null, key);
  }
});

test("an object has the same path in the page and in the API", () => {
  const object: ObjectRef = { kind: "pod", cluster: "a/b", namespace: "", pod: "p" };
  assert.equal(objectPath(object), "/clusters/a%2Fb/pods/-/p");
  assert.equal(hrefOfObject(object), `/ui${objectPath(object)}`);
});

test("parameters survive the address, and empty ones are left out", () => {
  const filter = 'phase!=Running,name="a, b",memory_bytes>=4Gi,image~c++&d=1#%';
  const href = hrefOf({ screen: "table", kind: "pods" }, { filter, sort: "-cpu", columns: "", sel: undefined });
  const address = parseAddress(new URL(href, "http://gateway"));
  assert.deepEqual(address.parameters, { filter, sort: "-cpu" });
});

test("filters stay readable in the address", () => {
  const href = hrefOf({ screen: "table", kind: "nodes" }, { filter: "is_reporting=false,country in (GR,IT)" });
  assert.equal(href, "/ui/nodes?filter=is_reporting=false,country+in+(GR,IT)");
});
