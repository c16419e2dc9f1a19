/** Completions for the fields of filters and label selectors. */

import { useMemo, useRef } from "preact/hooks";
import type { Complete } from "../../components/completion_field";
import { getJson } from "../../data/api";
import type { SummaryKind } from "../../data/protocol";
import type { Summary } from "../../data/summary";
import { completeExpression } from "./expression";
import {
  collectLabels,
  type FilterField,
  filterVocabulary,
  type Labels,
  NO_LABELS,
  selectorVocabulary,
  textsOfColumn,
} from "./vocabulary";

/** Labels are those of some objects: all of them would be large, and the keys are usually the same. */
const LABEL_SOURCES = 100;

/** The fields change only with the program, and are the same for all callers. */
const fieldsByKind = new Map<SummaryKind, Promise<readonly FilterField[]>>();

function loadFields(kind: SummaryKind): Promise<readonly FilterField[]> {
  const known = fieldsByKind.get(kind);
  if (known !== undefined) return known;
  const loading = getJson<{ readonly fields: readonly FilterField[] }>(`/fields/${kind}`, { time: "" }).then(
    ({ fields }) => fields,
  );
  fieldsByKind.set(kind, loading);
  loading.catch(() => fieldsByKind.delete(kind));
  return loading;
}

interface LabelList {
  readonly nodes?: Parameters<typeof collectLabels>[0];
  readonly pods?: Parameters<typeof collectLabels>[0];
}

async function loadLabels(kind: "nodes" | "pods"): Promise<Labels> {
  const list = await getJson<LabelList>(`/${kind}?fields=labels&limit=${LABEL_SOURCES}`);
  return collectLabels(list[kind] ?? []);
}

/** The labels of objects, loaded once for each screen when they are needed first. */
function useLabels(kind: SummaryKind): () => Promise<Labels> {
  return useMemo(() => {
    let loading: Promise<Labels> | null = null;
    return () => {
      if (kind !== "nodes" && kind !== "pods") return Promise.resolve(NO_LABELS);
      loading ??= loadLabels(kind);
      loading.catch(() => {
        loading = null;
      });
      return loading;
    };
  }, [kind]);
}

/** Completes filters of a kind; values that the API does not list are those in the summary. */
export function useFilterCompletion(kind: SummaryKind, summary: Summary | null): Complete {
  const latest = useRef(summary);
  latest.current = summary ?? latest.current;
  const getLabels = useLabels(kind);
  return useMemo(
    () => async (expression, cursor) => {
      const wantsLabels = expression.slice(0, cursor).includes("label.");
      const [fields, labels] = await Promise.all([loadFields(kind), wantsLabels ? getLabels() : NO_LABELS]);
      const textsOf = (column: string) => (latest.current?.kind === kind ? textsOfColumn(latest.current, column) : []);
      return completeExpression(filterVocabulary(fields, labels, textsOf), expression, cursor);
    },
    [kind, getLabels],
  );
}

/** Completes label selectors of nodes. */
export function useSelectorCompletion(): Complete {
  const getLabels = useLabels("nodes");
  return useMemo(
    () => async (expression, cursor) => completeExpression(selectorVocabulary(await getLabels()), expression, cursor),
    [getLabels],
  );
}
