/** The objects in the rows of summaries. */

import type { SummaryKind } from "../data/protocol";
import type { Summary } from "../data/summary";
import type { ObjectRef } from "../router";

export function objectOfRow(summary: Summary, row: number): ObjectRef {
  const [cluster = "", first = "", second = "", third = ""] = summary.names(row);
  switch (summary.kind) {
    case "clusters":
      return { kind: "cluster", cluster };
    case "nodes":
      return { kind: "node", cluster, node: first };
    case "pods":
      return { kind: "pod", cluster, namespace: first, pod: second };
    case "containers":
      return { kind: "container", cluster, namespace: first, pod: second, container: third };
  }
}

/** The row of an object in a summary, -1 if it has none. */
export function rowOfObject(summary: Summary, object: ObjectRef): number {
  return KINDS[object.kind] === summary.kind ? summary.rowOf(namesOf(object)) : -1;
}

const KINDS: Readonly<Record<ObjectRef["kind"], SummaryKind>> = {
  cluster: "clusters",
  node: "nodes",
  pod: "pods",
  container: "containers",
};

function namesOf(object: ObjectRef): string[] {
  switch (object.kind) {
    case "cluster":
      return [object.cluster];
    case "node":
      return [object.cluster, object.node];
    case "pod":
      return [object.cluster, object.namespace, object.pod];
    case "container":
      return [object.cluster, object.namespace, object.pod, object.container];
  }
}
