import assert from "node:assert/strict";
import { test } from "node:test";
import cases from "../../../../tests/data/object_health.json";
import { worstHealth } from "./causes";
import { findNodeCauses } from "./node_causes";
import { findPodCauses } from "./pod_causes";

test("the page judges the health of an object as the API does: tests/lookup/test_problems.py has the same cases", () => {
  for (const { kind, object, health } of cases) {
    const causes = kind === "node" ? findNodeCauses(object) : findPodCauses(object);
    assert.equal(worstHealth(causes) ?? "ok", health, JSON.stringify(object));
  }
});
