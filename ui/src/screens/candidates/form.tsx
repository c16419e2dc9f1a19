/** The form of a question. What somebody asks is in the address; what somebody types is here until then. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useMemo, useState } from "preact/hooks";
import { type Complete, CompletionField } from "../../components/completion_field";
import { useSummary } from "../../data/hooks";
import { safeText } from "../../format";
import { navigate } from "../../router";
import { useSelectorCompletion } from "../completion/hooks";
import { completeList } from "../completion/words";
import { FIELD_NAMES, type FieldName, type Texts } from "./question";

interface FieldSpec {
  readonly name: FieldName;
  readonly label: string;
  readonly hint: string;
  readonly placeholder?: string;
}

const MAIN: readonly FieldSpec[] = [
  { name: "cpu", label: "CPU", hint: "cores, or millicores: 500m", placeholder: "0.5" },
  { name: "memory", label: "Memory", hint: "bytes, with Ki, Mi, Gi (1024) or k, M, G (1000)", placeholder: "256Mi" },
  { name: "gpus", label: "GPUs", hint: "of the node, free or in use", placeholder: "1" },
  {
    name: "architecture",
    label: "Architecture",
    hint: "as in the telemetry, or as in Kubernetes",
    placeholder: "arm64",
  },
  { name: "labels", label: "Labels", hint: "a label selector of Kubernetes", placeholder: "zone in (a,b),!spot" },
  {
    name: "tolerations",
    label: "Tolerated taints",
    hint: "key=value:Effect; without a value, any value; without an effect, all effects; * matches any key",
    placeholder: "dedicated=gpu:NoSchedule",
  },
];

const PLACE: readonly FieldSpec[] = [
  { name: "clusters", label: "Clusters", hint: "names, separated by commas" },
  { name: "types", label: "Orchestrators", hint: "separated by commas", placeholder: "ocm, nuvla" },
  { name: "countries", label: "Countries", hint: "ISO 3166-1 codes, separated by commas", placeholder: "SI, GR" },
  { name: "continents", label: "Continents", hint: "English names, separated by commas", placeholder: "Europe" },
  { name: "near", label: "Near", hint: "latitude and longitude in degrees", placeholder: "46.05, 14.51" },
  { name: "distance", label: "Maximum distance", hint: "in km, along a great circle", placeholder: "500" },
  { name: "perCluster", label: "Candidates per cluster", hint: "maximum", placeholder: "1" },
];

const HOST: readonly FieldSpec[] = [
  { name: "devices", label: "Devices", hint: "available devices, by name; * matches any text", placeholder: "video*" },
  { name: "security", label: "Security assessment", hint: "minimum, in percent", placeholder: "70" },
  { name: "vulnerabilities", label: "Critical vulnerabilities", hint: "maximum", placeholder: "0" },
  { name: "power", label: "Power", hint: "maximum of the host, in watts", placeholder: "100" },
];

const WEIGHTS: readonly FieldSpec[] = [
  { name: "weight.freeCpu", label: "CPU left over", hint: "free share of the node after the workload is placed" },
  { name: "weight.freeMemory", label: "Memory left over", hint: "free share of the node after the workload is placed" },
  { name: "weight.distance", label: "Nearness", hint: "100 km / (100 km + distance)" },
  { name: "weight.security", label: "Security", hint: "result of the assessment" },
  { name: "weight.energy", label: "Low power", hint: "100 W / (100 W + power)" },
  { name: "weight.spread", label: "Spread", hint: "few better candidates in the same cluster" },
];

const CONTINENTS = ["Africa", "Antarctica", "Asia", "Europe", "North America", "Oceania", "South America"];
const ARCHITECTURES = ["x86_64", "aarch64", "amd64", "arm64"];

interface QuestionFormProps {
  /** What is asked. */
  readonly texts: Texts;
  readonly problems: ReadonlyMap<FieldName, string>;
  readonly hrefOfTexts: (texts: Texts) => string;
}

export function QuestionForm({ texts, problems, hrefOfTexts }: QuestionFormProps) {
  const applied = JSON.stringify(texts);
  const [typed, setTyped] = useState(texts);
  useEffect(() => setTyped(JSON.parse(applied) as Texts), [applied]);
  const completions = useWordCompletions();
  const show = (specs: readonly FieldSpec[]) =>
    specs.map((spec) => (
      <Field
        key={spec.name}
        spec={spec}
        text={typed[spec.name] ?? ""}
        problem={problems.get(spec.name)}
        complete={completions.get(spec.name)}
        onText={(text) => setTyped((before) => ({ ...before, [spec.name]: text }))}
      />
    ));
  const isUsed = (specs: readonly FieldSpec[]) => specs.some(({ name }) => texts[name] || problems.has(name));
  return (
    <form
      class="question"
      aria-label="What the workload needs"
      onSubmit={(event) => {
        event.preventDefault();
        navigate(hrefOfTexts(typed));
      }}
    >
      <div class="question-fields">{show(MAIN)}</div>
      <More title="Place" isOpen={isUsed(PLACE)}>
        {show(PLACE)}
      </More>
      <More title="Host" isOpen={isUsed(HOST)}>
        {show(HOST)}
      </More>
      <More title="Ranking" isOpen={isUsed(WEIGHTS)}>
        <p class="hint">
          Weights, such as 1 or 2.5. Without any, free CPU, free memory and, with a position, nearness count equally.
        </p>
        {show(WEIGHTS)}
      </More>
      <div class="question-actions">
        <button type="submit" class="primary">
          Find nodes
        </button>
        {FIELD_NAMES.some((name) => typed[name]) && (
          <button type="button" onClick={() => navigate(hrefOfTexts({}))}>
            Clear
          </button>
        )}
      </div>
    </form>
  );
}

interface MoreProps {
  readonly title: string;
  readonly isOpen: boolean;
  readonly children: ComponentChildren;
}

/** Fields that few questions need. They are in sight when the question has one of them. */
function More({ title, isOpen, children }: MoreProps) {
  return (
    <details open={isOpen}>
      <summary>{title}</summary>
      <div class="question-fields">{children}</div>
    </details>
  );
}

interface FieldProps {
  readonly spec: FieldSpec;
  readonly text: string;
  readonly problem: string | undefined;
  readonly complete: Complete | undefined;
  readonly onText: (text: string) => void;
}

function Field({ spec, text, problem, complete, onText }: FieldProps) {
  const id = useId();
  return (
    <div class="question-field">
      <label for={id}>{spec.label}</label>
      <div class="completion-place">
        <CompletionField
          id={id}
          text={text}
          onText={onText}
          complete={complete}
          placeholder={spec.placeholder}
          isInvalid={problem !== undefined}
          describedBy={problem === undefined ? `${id}-hint` : `${id}-hint ${id}-problem`}
        />
      </div>
      <p id={`${id}-hint`} class="hint">
        {spec.hint}
      </p>
      {problem !== undefined && (
        <p id={`${id}-problem`} class="field-problem" role="alert">
          {safeText(problem, 500)}
        </p>
      )}
    </div>
  );
}

/** Completions from what the topology has. */
function useWordCompletions(): ReadonlyMap<FieldName, Complete> {
  const clusters = useSummary("clusters").data;
  const nodes = useSummary("nodes").data;
  const completeLabels = useSelectorCompletion();
  return useMemo(() => {
    const texts = (summary: typeof nodes, column: string) => {
      if (summary === null) return [];
      const all = Array.from({ length: summary.count }, (_, row) => summary.text(column, row));
      return [...new Set(all)].sort();
    };
    const words: readonly (readonly [FieldName, readonly string[]])[] = [
      ["clusters", texts(clusters, "name")],
      ["types", texts(clusters, "type")],
      ["countries", texts(nodes, "country")],
      ["continents", CONTINENTS],
      ["architecture", [...new Set([...texts(nodes, "architecture"), ...ARCHITECTURES])]],
    ];
    const lists = words.map(([name, list]): [FieldName, Complete] => [
      name,
      async (text, cursor) => completeList(list, text, cursor),
    ]);
    return new Map([...lists, ["labels", completeLabels]]);
  }, [clusters, nodes, completeLabels]);
}
