import assert from "node:assert/strict";
import { test } from "node:test";
import {
  buildQuestion,
  fieldOfPath,
  nextLimit,
  parseQuantity,
  parseSelector,
  parseTolerations,
  splitItems,
} from "./question";

test("quantities are those of Kubernetes", () => {
  assert.equal(parseQuantity("500m"), 0.5);
  assert.equal(parseQuantity("1.5"), 1.5);
  assert.equal(parseQuantity("4Gi"), 4 * 2 ** 30);
  assert.equal(parseQuantity("2 GB"), 2e9);
  assert.throws(() => parseQuantity("4 gigs"), /must be a quantity/);
});

test("a selector becomes label expressions", () => {
  assert.deepEqual(parseSelector("zone in (a, b), !gpu,spot,region=south,disk!=hdd,cores>4"), [
    { key: "zone", operator: "In", values: ["a", "b"] },
    { key: "gpu", operator: "DoesNotExist" },
    { key: "spot", operator: "Exists" },
    { key: "region", operator: "In", values: ["south"] },
    { key: "disk", operator: "NotIn", values: ["hdd"] },
    { key: "cores", operator: "Gt", values: ["4"] },
  ]);
  assert.throws(() => parseSelector("zone within a"), /label selector/);
});

test("tolerations are written as taints", () => {
  assert.deepEqual(parseTolerations("dedicated=gpu:NoSchedule, spot, *:NoExecute"), [
    { key: "dedicated", operator: "Equal", value: "gpu", effect: "NoSchedule" },
    { key: "spot", operator: "Exists" },
    { operator: "Exists", effect: "NoExecute" },
  ]);
  assert.throws(() => parseTolerations("a b"), /taints/);
});

test("items are separated by commas outside of quotes and parentheses", () => {
  assert.deepEqual(splitItems('a, "b, c" , d in (e,f),, '), ["a", '"b, c"', "d in (e,f)"]);
});

test("the texts of the fields become a request, and empty ones require nothing", () => {
  const texts = { cpu: "0.5", memory: "256Mi", near: "46.05, 14.5", distance: "300", clusters: '"a, b",c', gpus: " " };
  const { request, problems } = buildQuestion({ ...texts, "weight.freeCpu": "2" });
  assert.deepEqual(request, {
    cpuCores: 0.5,
    memoryBytes: "268435456",
    clusters: ["a, b", "c"],
    near: { latitude: 46.05, longitude: 14.5, maxDistanceKm: 300 },
    ranking: { freeCpu: 2 },
  });
  assert.equal(problems.size, 0);
});

test("a text that is no value is a problem of its field", () => {
  const { request, problems } = buildQuestion({ cpu: "much", gpus: "1.5", near: "Athens" });
  assert.deepEqual(request, {});
  assert.deepEqual([...problems.keys()], ["cpu", "gpus", "near"]);
});

test("an error of the API is at the field of its path", () => {
  assert.equal(fieldOfPath("cpu_cores"), "cpu");
  assert.equal(fieldOfPath("near.latitude"), "near");
  assert.equal(fieldOfPath("near.max_distance_km"), "distance");
  assert.equal(fieldOfPath("label_expressions[0].values"), "labels");
  assert.equal(fieldOfPath("node_selector[a.b]"), "labels");
  assert.equal(fieldOfPath("tolerations[1].effect"), "tolerations");
  assert.equal(fieldOfPath("ranking.distance"), "weight.distance");
  assert.equal(fieldOfPath("something_new"), null);
});

test("more are asked for in steps, up to what the API allows", () => {
  assert.equal(nextLimit(10), "100");
  assert.equal(nextLimit(100), "500");
});
