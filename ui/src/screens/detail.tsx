import { Screen } from "../components/screen";
import { EmptyState, Loading, ProblemView } from "../components/states";
import { useJson } from "../data/hooks";
import { type ObjectRef, objectName, objectPath } from "../router";

export function DetailScreen({ object }: { readonly object: ObjectRef }) {
  const { data, failure } = useJson<Record<string, unknown>>(objectPath(object));
  return (
    <Screen title={objectName(object)} kind={object.kind}>
      {failure !== null && <ProblemView problem={failure.problem} />}
      {data === null && failure === null && <Loading />}
      {data !== null && <EmptyState title={`${Object.keys(data).length} fields`} />}
    </Screen>
  );
}
