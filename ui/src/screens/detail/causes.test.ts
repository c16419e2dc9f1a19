import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cause } from "./causes";
import { findNodeCauses } from "./node_causes";
import { findPodCauses, healthyPod } from "./pod_causes";

function titles(causes: readonly Cause[]): string[] {
  return causes.map(({ health, title }) => `${health} ${title}`);
}

test("a crash loop says how often, how the previous run ended, and which command shows its log", () => {
  const [cause] = findPodCauses({
    name: "web-1",
    namespace: "shop",
    phase: "Running",
    isReady: false,
    containers: [{ name: "web", reason: "CrashLoopBackOff", restartCount: "588", lastTerminationReason: "Error" }],
  });
  assert.equal(cause?.title, "CrashLoopBackOff, 588 restarts, the previous run ended with Error");
  assert.match(cause?.advice ?? "", /log of its previous run/);
  assert.equal(cause?.command, "kubectl logs --previous -n shop web-1 -c web");
});

test("a container that was killed for its memory names its limit", () => {
  const [cause] = findPodCauses({
    containers: [
      { name: "a", reason: "CrashLoopBackOff", lastTerminationReason: "OOMKilled", memoryLimitBytes: "67108864" },
    ],
  });
  assert.match(cause?.advice ?? "", /its limit of 64 MiB/);
});

test("an image that cannot be pulled has no log: the command shows the events", () => {
  const [cause] = findPodCauses({
    name: "web-1",
    namespace: "shop",
    phase: "Pending",
    containers: [{ name: "web", reason: "ImagePullBackOff" }],
  });
  assert.equal(cause?.command, "kubectl describe pod -n shop web-1");
});

test("of several containers, the cause names the one that it is about", () => {
  const causes = findPodCauses({
    containers: [
      { name: "ok", state: "running" },
      { name: "bad", reason: "Error" },
    ],
  });
  assert.deepEqual(titles(causes), ["failed bad: Error"]);
});

test("a pod that is pending says whether it has a node", () => {
  assert.deepEqual(titles(findPodCauses({ phase: "Pending" })), ["warning Pending: not on a node"]);
  assert.deepEqual(titles(findPodCauses({ phase: "Pending", node: "n1" })), ["warning Pending"]);
});

test("failures come before warnings", () => {
  const causes = findPodCauses({
    containers: [
      { name: "a", health: "starting" },
      { name: "b", exitCode: "137" },
    ],
    alerts: { Slow: "warning", Fine: "info" },
  });
  assert.deepEqual(titles(causes), [
    "failed b: Exit code 137",
    "warning a: starting",
    "warning Alert Slow fires (warning)",
  ]);
});

test("a finished job, a stopped container that succeeded, and a healthy pod have no causes", () => {
  assert.deepEqual(
    findPodCauses({ phase: "Succeeded", isReady: false, containers: [{ name: "a", reason: "Completed" }] }),
    [],
  );
  assert.deepEqual(
    findPodCauses({ containers: [{ name: "a", reason: "exited", exitCode: "0", health: "healthy" }] }),
    [],
  );
});

test("a running pod that is not ready says so", () => {
  assert.deepEqual(titles(findPodCauses({ phase: "Running", isReady: false })), ["warning Not ready"]);
});

test("a container that runs but restarts often is a cause", () => {
  const startTime = new Date(Date.now() - 3_600_000).toISOString();
  const causes = findPodCauses({ phase: "Running", startTime, containers: [{ name: "a", restartCount: "12" }] });
  assert.deepEqual(titles(causes), ["warning Restarts every 5 min on average, 12 restarts"]);
});

test("a name that a shell would interpret is in no command", () => {
  const [cause] = findPodCauses({
    name: "a;reboot",
    namespace: "shop",
    containers: [{ name: "$(x)", reason: "Error" }],
  });
  assert.equal(cause?.command, undefined);
});

test("a node says that it is gone, silent, not ready, under pressure or cordoned, worst first", () => {
  const seen = "2026-11-30T18:00:00Z";
  assert.match(titles(findNodeCauses({ goneSinceTime: seen }))[0] ?? "", /^failed Gone: last seen 2026-/);
  assert.match(
    titles(findNodeCauses({ isReporting: false, lastSeenTime: seen }))[0] ?? "",
    /^failed Does not report: last/,
  );
  const conditions = { Ready: "false", DiskPressure: "true", PIDPressure: "false" };
  assert.deepEqual(titles(findNodeCauses({ name: "n1", conditions, isUnschedulable: true })), [
    "failed Not ready",
    "warning DiskPressure",
    "warning Cordoned",
  ]);
});

test("conditions of a node that does not answer are unknown, which is said once", () => {
  const conditions = { Ready: "unknown", DiskPressure: "unknown" };
  assert.deepEqual(titles(findNodeCauses({ conditions })), ["failed Ready is unknown"]);
});

test("a node that is nearly full says what, and how much is left", () => {
  const causes = findNodeCauses({
    memoryUsagePercent: 92,
    availableMemoryBytes: "1073741824",
    filesystems: [{ name: "/dev/sda1", sizeBytes: 100, rootAvailableBytes: 2 }],
  });
  assert.deepEqual(titles(causes), ["failed File system /dev/sda1 is 98 % full", "warning Memory is 92 % full"]);
  assert.equal(causes[1]?.advice, "1 GiB are available.");
});

test("a node without problems has no causes", () => {
  assert.deepEqual(
    findNodeCauses({ conditions: { Ready: "true" }, isUnschedulable: false, memoryUsagePercent: 50 }),
    [],
  );
});

test("a pod without causes is well if its phase or the state of a container says so, and unknown otherwise", () => {
  assert.deepEqual(healthyPod({ phase: "Running" }), { health: "ok", text: "Running" });
  assert.equal(healthyPod({ containers: [{ name: "c", state: "running" }] }).health, "ok");
  assert.equal(healthyPod({ containers: [{ name: "c" }] }).health, "unknown");
});
