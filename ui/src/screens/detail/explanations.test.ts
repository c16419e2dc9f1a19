import assert from "node:assert/strict";
import { test } from "node:test";
import type { Explanation } from "./explanation";
import { explainNode } from "./node_explanations";
import { describeWell, explainContainer, explainPod } from "./pod_explanations";

function titles(explanations: readonly Explanation[]): string[] {
  return explanations.map(({ title }) => title);
}

test("a crash loop says how often, how the previous run ended, and which command shows its log", () => {
  const pod = {
    name: "web-1",
    namespace: "shop",
    phase: "Running",
    isReady: false,
    containers: [{ name: "web", reason: "CrashLoopBackOff", restartCount: "588", lastTerminationReason: "Error" }],
  };
  const [explanation, ...others] = explainPod(pod, ["CrashLoopBackOff", "not ready", "restarts often"]);
  assert.deepEqual(others, []);
  assert.equal(explanation?.title, "CrashLoopBackOff, 588 restarts, the previous run ended with Error");
  assert.match(explanation?.advice ?? "", /log of the previous run/);
  assert.equal(explanation?.command, "kubectl logs --previous -n shop web-1 -c web");
});

test("a container that was killed for its memory names its limit", () => {
  const container = {
    name: "a",
    reason: "CrashLoopBackOff",
    lastTerminationReason: "OOMKilled",
    memoryLimitBytes: "67108864",
  };
  const [explanation] = explainPod({ containers: [container] }, ["CrashLoopBackOff"]);
  assert.match(explanation?.advice ?? "", /its limit of 64 MiB/);
});

test("an image that cannot be pulled has no log: the command shows the events", () => {
  const pod = { name: "web-1", namespace: "shop", containers: [{ name: "web", reason: "ImagePullBackOff" }] };
  const [explanation] = explainPod(pod, ["Pending", "ImagePullBackOff"]);
  assert.equal(explanation?.command, "kubectl describe pod -n shop web-1");
});

test("of several containers, the explanation names each one that has the problem", () => {
  const containers = [
    { name: "ok", state: "running" },
    { name: "bad", reason: "Error", exitCode: "1" },
    { name: "worse", reason: "Error", exitCode: "2" },
  ];
  assert.deepEqual(titles(explainPod({ containers }, ["Error", "exit code 1", "exit code 2"])), [
    "bad: Error",
    "worse: Error",
  ]);
});

test("a stopped container without another reason is explained by its exit code", () => {
  const pod = { containers: [{ name: "a", reason: "exited", exitCode: "137" }] };
  const [explanation] = explainPod(pod, ["exit code 137"]);
  assert.equal(explanation?.title, "Exit code 137");
  assert.match(explanation?.advice ?? "", /killed/);
});

test("a pod that is pending says whether it has a node", () => {
  assert.deepEqual(titles(explainPod({ phase: "Pending" }, ["Pending"])), ["Pending: not on a node"]);
  assert.deepEqual(titles(explainPod({ phase: "Pending", node: "n1" }, ["Pending"])), ["Pending"]);
});

test("problems are explained in the order of the API, also those that the page does not know", () => {
  const pod = { containers: [{ name: "b", health: "starting" }], alerts: { Slow: "warning" } };
  assert.deepEqual(titles(explainPod(pod, ["Odd", "starting", "alert Slow"])), [
    "Odd",
    "starting",
    "Alert Slow is firing (warning)",
  ]);
});

test("a pod that is not ready says so, also beside an alert", () => {
  const pod = { phase: "Running", isReady: false, alerts: { Slow: "" } };
  assert.deepEqual(titles(explainPod(pod, ["not ready", "alert Slow"])), ["Not ready", "Alert Slow is firing"]);
});

test("a pod that restarts often says how often, and which container was restarted most", () => {
  const startTime = new Date(Date.now() - 3_600_000).toISOString();
  const containers = [
    { name: "a", restartCount: "1" },
    { name: "b", restartCount: "12" },
  ];
  assert.deepEqual(titles(explainPod({ startTime, containers }, ["restarts often"])), [
    "b: Restarts every 5 min on average, 12 restarts",
  ]);
});

test("a container is explained without its name", () => {
  const container = { name: "a", reason: "Error", exitCode: "1" };
  assert.deepEqual(titles(explainContainer({}, container, ["Error", "exit code 1"])), ["Error"]);
});

test("a name that a shell would interpret is in no command", () => {
  const pod = { name: "a;reboot", namespace: "shop", containers: [{ name: "$(x)", reason: "Error" }] };
  const [explanation] = explainPod(pod, ["Error"]);
  assert.equal(explanation?.command, undefined);
});

test("a node says when it was last seen, what its conditions mean, and how to uncordon it", () => {
  const seen = "2026-11-30T18:00:00Z";
  const node = { name: "n1", goneSinceTime: seen, lastSeenTime: seen };
  const [gone, silent, unready, pressure, cordoned] = explainNode(node, [
    "gone",
    "does not report",
    "not ready",
    "DiskPressure unknown",
    "cordoned",
  ]);
  assert.match(gone?.title ?? "", /^Gone: last seen 2026-/);
  assert.match(silent?.title ?? "", /^Does not report: last report/);
  assert.equal(unready?.command, "kubectl describe node n1");
  assert.equal(pressure?.title, "DiskPressure is unknown");
  assert.equal(cordoned?.command, "kubectl uncordon n1");
});

test("a node that is nearly full says what, and how much is left", () => {
  const node = {
    memoryUsagePercent: 92,
    availableMemoryBytes: "1073741824",
    filesystems: [
      { name: "/dev/sdb1", sizeBytes: 100, rootAvailableBytes: 60 },
      { name: "/dev/sda1", sizeBytes: 100, rootAvailableBytes: 2 },
    ],
  };
  const explanations = explainNode(node, ["memory nearly full", "file system nearly full"]);
  assert.deepEqual(titles(explanations), ["Memory is 92 % full", "File system /dev/sda1 is 98 % full"]);
  assert.equal(explanations[0]?.advice, "1 GiB available.");
});

test("a pod without problems has its phase, unless nothing is known of its state", () => {
  assert.equal(describeWell({ health: "ok", problems: [] }, "Running"), "Running");
  assert.equal(describeWell({ health: "ok", problems: [] }, ""), "No problems");
  assert.equal(describeWell({ health: "unknown", problems: [] }, ""), "State unknown");
});
