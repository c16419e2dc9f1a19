/** Everything known about one object, for people: what is wrong first. */

import { Screen } from "../components/screen";
import { EmptyState, NoData } from "../components/states";
import type { Problem } from "../data/client";
import { useJson, useSummary } from "../data/hooks";
import { capitalize, safeText } from "../format";
import { hrefOf, type ObjectRef, objectName } from "../router";
import { Breadcrumbs, OtherScreens } from "./detail/breadcrumbs";
import { ClusterDetail } from "./detail/cluster";
import { hasValue, type JsonObject, textField } from "./detail/fields";
import { NodeDetail } from "./detail/node";
import { GoneNotice, RawSection } from "./detail/parts";
import { detailPath } from "./detail/path";
import { PodDetail } from "./detail/pod";

export function DetailScreen({ object }: { readonly object: ObjectRef }) {
  const path = detailPath(object);
  const { data, failure } = useJson<JsonObject>(path);
  const node = data !== null && object.kind === "pod" ? textField(data, "node") : "";
  const isMissing = failure?.problem.kind === "missing";
  return (
    <Screen
      title={objectName(object)}
      kind={capitalize(object.kind)}
      actions={
        data !== null && (
          <OtherScreens object={object} hasPosition={object.kind === "node" && hasValue(data["latitude"])} />
        )
      }
    >
      <Breadcrumbs object={object} node={node} />
      {data === null && <Missing object={object} problem={failure?.problem ?? null} />}
      {data !== null && isMissing && <GoneNotice since={failure.since} />}
      {data !== null && <ObjectDetail object={object} data={data} />}
      {data !== null && <RawSection path={path} object={data} />}
    </Screen>
  );
}

function ObjectDetail({ object, data }: { readonly object: ObjectRef; readonly data: JsonObject }) {
  switch (object.kind) {
    case "cluster":
      return <ClusterDetail object={object} cluster={data} />;
    case "node":
      return <NodeDetail object={object} node={data} />;
    default:
      return <PodDetail object={{ ...object, kind: "pod" }} pod={data} />;
  }
}

interface MissingProps {
  readonly object: ObjectRef;
  readonly problem: Problem | null;
}

/** Instead of the object: it is loading, it is unknown, or it cannot be had. */
function Missing({ object, problem }: MissingProps) {
  const { data: clusters } = useSummary("clusters");
  if (problem?.kind !== "missing") return <NoData problem={problem} />;
  const isClusterKnown = clusters !== null && clusters.rowOf([object.cluster]) >= 0;
  return (
    <EmptyState title={`There is no such ${object.kind} in the topology`}>
      <p>{safeText(problem.detail, 500)}</p>
      <p>It may be gone, or your token may not give access to it.</p>
      <ul class="link-list">
        {object.kind !== "cluster" && isClusterKnown && (
          <li>
            <a href={hrefOf({ screen: "detail", object: { kind: "cluster", cluster: object.cluster } })}>
              The cluster {safeText(object.cluster, 80)}
            </a>
          </li>
        )}
        <li>
          <a href={hrefOf({ screen: "overview" })}>Overview</a>: current problems, and what has vanished
        </li>
      </ul>
    </EmptyState>
  );
}
