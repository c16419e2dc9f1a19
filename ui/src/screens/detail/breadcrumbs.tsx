import type { ComponentChildren } from "preact";
import { Name, ObjectLink } from "../../components/name";
import { hrefOf, type ObjectRef, objectKey } from "../../router";
import { equals } from "../filters";

/** Where an object is: its cluster, and its node or namespace. */
export function Breadcrumbs({ object, node = "" }: { readonly object: ObjectRef; readonly node?: string }) {
  if (object.kind === "cluster") return <BreadcrumbList items={[<TableLink key="clusters" kind="clusters" />]} />;
  const { cluster } = object;
  const items = [
    <TableLink key="clusters" kind="clusters" />,
    <ObjectLink key="cluster" object={{ kind: "cluster", cluster }} />,
  ];
  if (node !== "" && object.kind === "pod" && object.namespace === "")
    items.push(<ObjectLink key="node" object={{ kind: "node", cluster, node }} />);
  if (object.kind === "pod" && object.namespace !== "") {
    const { namespace } = object;
    const filter = equals("namespace", namespace);
    items.push(
      <a key="namespace" href={hrefOf({ screen: "table", kind: "pods" }, { cluster, filter })}>
        <Name text={namespace} />
      </a>,
    );
  }
  return <BreadcrumbList items={items} />;
}

function TableLink({ kind }: { readonly kind: "clusters" }) {
  return <a href={hrefOf({ screen: "table", kind })}>Clusters</a>;
}

function BreadcrumbList({ items }: { readonly items: readonly ComponentChildren[] }) {
  return (
    <nav class="breadcrumbs" aria-label="Breadcrumb">
      <ol>
        {items.map((item, index) => (
          <li key={String(index)}>{item}</li>
        ))}
      </ol>
    </nav>
  );
}

/** The same object on other screens. */
export function OtherScreens({
  object,
  hasPosition = false,
}: {
  readonly object: ObjectRef;
  readonly hasPosition?: boolean;
}) {
  const sel = objectKey(object);
  return (
    <span class="other-screens">
      <a href={hrefOf({ screen: "map" }, { sel })}>On the map</a>
      {hasPosition && <a href={hrefOf({ screen: "world" }, { sel })}>On the world map</a>}
    </span>
  );
}
