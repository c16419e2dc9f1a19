import assert from "node:assert/strict";
import { test } from "node:test";
import type { Quality } from "../quality/document";
import { sentenceText } from "../sentence";
import { createSummary, type Row } from "../testing";
import type { Finding } from "./finding";
import { compareFindingLists, findFindings, keepPlaces, SeenFindings } from "./findings";

const NOW = 1_800_000_000_000;
const SECONDS = NOW / 1000;

interface Described {
  readonly nodes?: readonly Row[];
  readonly pods?: readonly Row[];
  readonly quality?: Quality;
}

function find({ nodes = [], pods = [], quality }: Described, cluster = ""): Finding[] {
  const fleet = { nodes: createSummary("nodes", nodes), pods: createSummary("pods", pods), quality: quality ?? null };
  return findFindings(fleet, NOW, cluster);
}

function titles(fleet: Described, cluster = ""): string[] {
  return find(fleet, cluster).map(({ health, title }) => `${health} ${sentenceText(title)}`);
}

function node(name: string, problems = "", more: Row = {}): Row {
  const health = problems === "" ? "ok" : "failed";
  return { cluster: "rome", name, health, problems, lastSeenTime: SECONDS - 60, ...more };
}

function pod(name: string, problems = "", more: Row = {}): Row {
  const health = problems === "" ? "ok" : "failed";
  return { cluster: "rome", namespace: "shop", name, node: "n1", health, problems, startTime: SECONDS - 3600, ...more };
}

test("a healthy fleet has no findings", () => {
  assert.deepEqual(titles({ nodes: [node("n1")], pods: [pod("a"), pod("b", "", { health: "unknown" })] }), []);
});

test("a node that is gone says when it was last seen, and links to its page", () => {
  const [finding] = find({ nodes: [node("n1", "gone"), node("n2")] });
  assert.ok(finding);
  assert.equal(sentenceText(finding.title), "n1: gone");
  assert.match(sentenceText(finding.detail), /^node of rome, last seen 1 min ago \(\d\d:\d\d:\d\d\)$/);
  assert.equal(finding.href, "/ui/clusters/rome/nodes/n1");
});

test("nodes of a cluster with the same problem are one finding from four on", () => {
  const healthy = node("n9");
  const three = ["n1", "n2", "n3"].map((name) => node(name, "not ready"));
  assert.equal(titles({ nodes: [...three, healthy] }).length, 3);
  assert.deepEqual(titles({ nodes: [...three, node("n4", "not ready"), healthy] }), [
    "failed 4 nodes of rome: not ready",
  ]);
});

test("nodes with the same problem as failures and as warnings are two findings with different keys", () => {
  const failed = ["n1", "n2", "n3", "n4"].map((name) => node(name, "odd"));
  const warned = ["n5", "n6", "n7", "n8"].map((name) => node(name, "odd", { health: "warning" }));
  const findings = find({ nodes: [...failed, ...warned] });
  assert.equal(findings.length, 2);
  assert.notEqual(findings[0]?.key, findings[1]?.key);
});

test("a cluster whose nodes have all failed is one finding, and many such clusters are one, too", () => {
  const lost = (cluster: string) => ["n1", "n2"].map((name) => node(name, "gone", { cluster }));
  assert.deepEqual(titles({ nodes: lost("rome") }), ["failed rome: all 2 nodes have failed"]);
  const many = Array.from({ length: 300 }, (_, index) => lost(`edge-${index}`)).flat();
  assert.deepEqual(titles({ nodes: many }), ["failed All nodes of 300 clusters have failed"]);
});

test("500 failing pods of one workload are one finding, in however many clusters they are", () => {
  const pods = Array.from({ length: 500 }, (_, index) =>
    pod(`web-${index}`, "CrashLoopBackOff, not ready", {
      controllerName: "web",
      controllerKind: "Deployment",
      cluster: `c${index % 50}`,
      restartCount: 2,
    }),
  );
  const [finding, ...others] = find({ pods });
  assert.ok(finding);
  assert.deepEqual(others, []);
  assert.equal(finding.count, 500);
  assert.equal(sentenceText(finding.title), "shop/web: CrashLoopBackOff");
  assert.equal(
    sentenceText(finding.detail),
    "500 pods in 50 clusters: c0, c1, c2 and 47 more, 1,000 restarts, last started 1 h ago",
  );
  assert.equal(finding.href, "/ui/pods?filter=namespace=shop,controller_name=web&sort=health,name");
});

test("different problems of the pods of a workload are counted", () => {
  const pods = [
    pod("a", "CrashLoopBackOff", { controllerName: "web" }),
    pod("b", "CrashLoopBackOff", { controllerName: "web" }),
    pod("c", "Pending, ImagePullBackOff", { controllerName: "web" }),
  ];
  assert.deepEqual(titles({ pods }), ["failed shop/web: CrashLoopBackOff (2 of 3), ImagePullBackOff (1 of 3)"]);
});

test("a single pod links to its page, a Docker container without a namespace", () => {
  const [finding] = find({ pods: [pod("sensor", "unhealthy", { namespace: null })] });
  assert.equal(finding?.href, "/ui/clusters/rome/pods/-/sensor");
});

test("pods that are not ready because their node has failed belong to the finding of the node", () => {
  const findings = find({
    nodes: [node("n1", "not ready"), node("n2")],
    pods: [
      pod("a", "not ready"),
      pod("b", "not ready"),
      pod("c", "CrashLoopBackOff"),
      pod("d", "not ready", { node: "n2" }),
    ],
  });
  assert.deepEqual(
    findings.map(({ title }) => sentenceText(title)),
    ["n1: not ready", "shop/c: CrashLoopBackOff", "shop/d: not ready"],
  );
  assert.match(sentenceText(findings[0]?.detail ?? []), /, 2 pods on it with problems$/);
});

test("a pod that runs and restarts often is a warning", () => {
  const often = pod("a", "restarts often", { restartCount: 4, health: "warning" });
  const failing = pod("b", "CrashLoopBackOff, restarts often", { restartCount: 4 });
  assert.deepEqual(titles({ pods: [often, failing] }), [
    "failed shop/b: CrashLoopBackOff",
    "warning shop/a: restarts often",
  ]);
});

test("an alert that is the only problem of many objects is one finding, with the worst of its severities", () => {
  const alert = "alert HighLatency";
  const pods = [pod("a", alert, { health: "warning" }), pod("b", alert), pod("c", alert, { health: "warning" })];
  const [finding] = find({ pods });
  assert.equal(finding?.health, "failed");
  assert.equal(sentenceText(finding?.title ?? []), "Alert HighLatency is firing for 3 pods");
  assert.equal(finding?.href, "/ui/pods?filter=alert=HighLatency&sort=health,name");
});

test("file systems and memory are findings if the API calls them nearly full, apart from other problems", () => {
  const nodes = [
    node("n1", "file system nearly full", {
      health: "warning",
      filesystemUsagePercent: 97,
      filesystemName: "/dev/sda1",
    }),
    node("n2", "not ready, memory nearly full", { memoryUsagePercent: 91 }),
    node("n3", "file system nearly full", { health: "warning", filesystemUsagePercent: 50 }),
    node("n4", "", { filesystemUsagePercent: 99, memoryUsagePercent: 99 }),
  ];
  assert.deepEqual(titles({ nodes }), [
    "failed n2: not ready",
    "warning n1: file system 97 % full",
    "warning n3: file system nearly full",
    "warning n2: memory 91 % full",
  ]);
});

test("failures come before warnings, nodes before pods, and cordoned nodes are late", () => {
  const fleet = {
    nodes: [node("n1", "cordoned", { health: "warning" }), node("n2", "gone"), node("n3")],
    pods: [pod("a", "Pending", { health: "warning" }), pod("b", "Evicted")],
  };
  assert.deepEqual(titles(fleet), [
    "failed n2: gone",
    "failed shop/b: Evicted",
    "warning shop/a: Pending",
    "warning n1: cordoned",
  ]);
});

test("with a cluster, only its objects are looked at", () => {
  const fleet = {
    nodes: [node("n1", "gone"), node("n2", "gone", { cluster: "oslo" }), node("n3", "", { cluster: "oslo" })],
    pods: [pod("a", "Evicted")],
    quality: { failure: "timeout" },
  };
  assert.deepEqual(titles(fleet, "oslo"), ["failed n2: gone"]);
});

test("what the gateway says of its data is there: failures, what vanished, contradictions, unknown hosts", () => {
  const quality: Quality = {
    failure: "no answer within 10 s",
    vanished: ["cluster rome"],
    totals: { queries: 150, failedQueries: 2 },
    rows: [{ name: "pods", sources: [{ source: "p", result: "QUERY_RESULT_FAILED", error: "HTTP 422" }] }],
    contradictions: [{ object: "n1", field: "hostname", values: ["a", "b"] }],
    unplacedTargets: [{ job: "node", instance: "10.0.0.1:9100", reason: "no label names its host" }],
    unplacedObjects: [{ kind: "pods", reason: "their cluster is unknown", objects: 12 }],
  };
  assert.deepEqual(titles({ quality }), [
    "failed The last refresh has failed: this is the previous topology",
    "warning Vanished: cluster rome",
    "warning 12 pods are not in the topology",
    "warning 2 of 150 queries to Prometheus failed",
    "warning Telemetry contradicts itself",
    "warning 1 scrape target is on an unknown host",
  ]);
  const details = find({ quality }).map(({ detail }) => sentenceText(detail));
  assert.ok(details.includes("pods: HTTP 422"));
  assert.ok(details.includes("n1 has several values of hostname: a and b"));
});

test("changes are what appeared and what is resolved; the same findings are none", () => {
  const before = find({ nodes: [node("n1", "gone"), node("n2")] });
  const after = find({ nodes: [node("n1"), node("n2", "not ready")] });
  assert.equal(compareFindingLists(before, before), null);
  const changes = compareFindingLists(before, after);
  assert.deepEqual(changes?.appeared, after);
  assert.deepEqual(changes?.resolved, before);
});

test("while somebody reads, findings keep their places: resolved ones stay and new ones are last", () => {
  const before = find({ nodes: [node("n1", "gone"), node("n2", "not ready"), node("n9")] });
  const after = find({ nodes: [node("n0", "gone"), node("n1"), node("n2", "not ready"), node("n9")] });
  assert.deepEqual(
    keepPlaces(before, after).map(({ finding, isResolved }) => [sentenceText(finding.title), isResolved]),
    [
      ["n1: gone", true],
      ["n2: not ready", false],
      ["n0: gone", false],
    ],
  );
});

test("findings of the first look at a scope are not new, later ones are, and another scope starts over", () => {
  const seen = new SeenFindings();
  const [gone] = find({ nodes: [node("n1", "gone"), node("n9")] });
  const [evicted] = find({ pods: [pod("a", "Evicted")] });
  assert.ok(gone && evicted);
  seen.update("", [gone], [], NOW);
  assert.equal(seen.isNew(gone, NOW), false);
  seen.update("", [gone, evicted], [], NOW + 1000);
  assert.deepEqual([seen.isNew(gone, NOW + 1000), seen.isNew(evicted, NOW + 1000)], [false, true]);
  seen.update("rome", [gone, evicted], [], NOW + 2000);
  assert.equal(seen.isNew(evicted, NOW + 2000), false);
});
