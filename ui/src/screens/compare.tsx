/** Two instants side by side: what was added, removed and changed between them. */

import { useEffect, useId, useMemo, useState } from "preact/hooks";
import { announce } from "../components/announcer";
import { HealthIcon } from "../components/health";
import { Name } from "../components/name";
import { Screen } from "../components/screen";
import { EmptyState, Loading, ProblemView } from "../components/states";
import { type TreeColumn, TreeTable } from "../components/tree_table";
import { askUntilAnswered, getJson } from "../data/api";
import { outage, sharedToken } from "../data/client";
import { useNow } from "../data/hooks";
import type { Problem } from "../data/problem";
import { formatQuantity, formatRecentTime, formatTime, safeText } from "../format";
import { hrefOfObject, hrefWith, navigate, parameter, setParameters } from "../router";
import { formatInstant, formatLocal, parseInstant, parseLocal } from "../time/instant";
import { ClusterSelect } from "./cluster_select";
import {
  buildRows,
  type Change,
  type ChangeType,
  type ComparedInstant,
  clusterTitle,
  countChanges,
  type Delta,
  type DeltaRow,
  describeCounts,
  findChanges,
  objectOf,
} from "./compare/delta";

const KINDS = { "": "All", clusters: "Clusters", nodes: "Nodes", pods: "Pods" } as const;
const EXTENTS = { "": "Structure", all: "Structure and measurements" } as const;
/** More changes are not requested: a cluster, a kind or a shorter time says more than a longer list. */
const MAXIMUM_CHANGES = 5000;
/** Of more changes, the fields are shown only when somebody opens the object. */
const MAXIMUM_OPEN = 200;

const PRESETS: readonly (readonly [text: string, seconds: number])[] = [
  ["the last 10 minutes", 600],
  ["the last hour", 3600],
  ["the last 6 hours", 6 * 3600],
  ["the last day", 86_400],
];

export function CompareScreen() {
  const from = parameter("from");
  const query = new URLSearchParams({ from, changes: parameter("changes") === "all" ? "all" : "structure" });
  query.set("limit", String(MAXIMUM_CHANGES));
  for (const name of ["to", "kind", "cluster"]) if (parameter(name) !== "") query.set(name, parameter(name));
  const path = from === "" ? null : `/diff?${query}`;
  const { delta, problem, askAgain } = useDelta(path);
  return (
    <Screen title="Compare" isFilling actions={<ClusterSelect />}>
      <InstantForm />
      {path === null ? (
        <NoQuestion />
      ) : problem !== null ? (
        <ProblemView problem={problem} title="The two times cannot be compared">
          <button type="button" onClick={askAgain}>
            Try again
          </button>
        </ProblemView>
      ) : delta === null ? (
        <Loading />
      ) : (
        <DeltaView delta={delta} askAgain={askAgain} />
      )}
    </Screen>
  );
}

function NoQuestion() {
  const now = useNow(60) / 1000;
  return (
    <EmptyState title="What has changed since when?">
      <p>Choose a time above, or see what has changed in</p>
      <ul class="link-list">
        {PRESETS.map(([text, seconds]) => (
          <li key={text}>
            <a href={hrefWith({ from: formatInstant(Math.floor(now - seconds)) })}>{text}</a>
          </li>
        ))}
      </ul>
    </EmptyState>
  );
}

interface Answer {
  readonly path: string;
  readonly delta: Delta | null;
  readonly problem: Problem | null;
}

/** The answer to a path: asked once, and again after a failure that may pass, or when somebody wants it. */
function useDelta(path: string | null) {
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [count, setCount] = useState(0);
  const isDown = outage.value !== null;
  const tokenId = sharedToken.value?.tokenId;
  useEffect(() => {
    if (path === null || isDown) return;
    const abort = new AbortController();
    const { signal } = abort;
    void askUntilAnswered(() => getJson<Delta>(path, { signal, time: "" }), {
      signal,
      onAnswer: (delta) => setAnswer({ path, delta, problem: null }),
      onProblem: (problem) => setAnswer({ path, delta: null, problem }),
    });
    return () => abort.abort();
  }, [path, count, isDown, tokenId]);
  const current = answer?.path === path ? answer : null;
  const delta = current?.delta ?? null;
  useEffect(() => {
    if (delta !== null) announce(`${describeDelta(delta)}.`);
  }, [delta]);
  const askAgain = () => {
    setAnswer(null);
    setCount((before) => before + 1);
  };
  return { delta, problem: current?.problem ?? null, askAgain };
}

function describeDelta({ changes, totalCount }: Delta): string {
  if (changes.length === 0) return "Nothing has changed";
  if (totalCount > changes.length) return formatQuantity(totalCount, "object has changed", "objects have changed");
  return describeCounts(countChanges(changes));
}

function InstantForm() {
  const [fromId, toId] = [useId(), useId()];
  const now = useNow(60) / 1000;
  const [from, setFrom] = useTimeText("from");
  const [to, setTo] = useTimeText("to");
  return (
    <form
      class="compare-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (from !== "") setParameters({ from: toInstant(from), to: toInstant(to) });
      }}
    >
      <span class="choice">
        <label for={fromId}>From</label>
        <input
          id={fromId}
          type="datetime-local"
          step={1}
          max={formatLocal(now)}
          value={from}
          onInput={({ currentTarget }) => setFrom(currentTarget.value)}
        />
      </span>
      <span class="choice">
        <label for={toId}>
          To <span class="quiet-text">(empty: now)</span>
        </label>
        <input
          id={toId}
          type="datetime-local"
          step={1}
          max={formatLocal(now)}
          value={to}
          onInput={({ currentTarget }) => setTo(currentTarget.value)}
        />
      </span>
      <button type="submit" class="primary" disabled={from === ""}>
        Compare
      </button>
      <Choice name="changes" label="Changes of" texts={EXTENTS} />
      <Choice name="kind" label="Kind" texts={KINDS} />
    </form>
  );
}

/** The text of a field for a time: that of the address, until somebody writes another one. */
function useTimeText(name: "from" | "to"): [string, (text: string) => void] {
  const applied = parameter(name);
  const [typed, setTyped] = useState<{ readonly applied: string; readonly text: string } | null>(null);
  const time = parseInstant(applied, Date.now() / 1000);
  const text = typed?.applied === applied ? typed.text : Number.isNaN(time) ? "" : formatLocal(time);
  return [text, (next) => setTyped({ applied, text: next })];
}

function toInstant(text: string): string | undefined {
  const time = parseLocal(text);
  return Number.isNaN(time) ? undefined : formatInstant(time);
}

interface ChoiceProps {
  readonly name: string;
  readonly label: string;
  readonly texts: Readonly<Record<string, string>>;
}

function Choice({ name, label, texts }: ChoiceProps) {
  return (
    <label class="choice">
      {label}
      <select
        value={parameter(name)}
        onChange={({ currentTarget }) => setParameters({ [name]: currentTarget.value }, { replace: true })}
      >
        {Object.entries(texts).map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function DeltaView({ delta, askAgain }: { readonly delta: Delta; readonly askAgain: () => void }) {
  const text = parameter("q");
  const found = useMemo(() => findChanges(delta.changes, text), [delta, text]);
  return (
    <>
      <div class="table-toolbar">
        <span>
          {describeDelta(delta)}
          {found.length < delta.totalCount && `; ${formatQuantity(found.length, "object")} shown`}
        </span>
        {parameter("to") === "" && (
          <button type="button" onClick={askAgain}>
            Compare again
          </button>
        )}
        <span class="spring" />
        <label class="choice">
          Find
          <input
            type="search"
            value={text}
            placeholder="name or field"
            onInput={({ currentTarget }) => setParameters({ q: currentTarget.value }, { replace: true })}
          />
        </label>
      </div>
      <Incomplete instant={delta.from} />
      <Incomplete instant={delta.to} />
      {delta.changes.length === 0 ? (
        <EmptyState title="Nothing has changed">
          {parameter("changes") !== "all" && <a href={hrefWith({ changes: "all" })}>Compare measurements, too</a>}
        </EmptyState>
      ) : found.length === 0 ? (
        <EmptyState title="No changed object has this in its name or its changed fields">
          <a href={hrefWith({ q: undefined })}>Show all changes</a>
        </EmptyState>
      ) : (
        <DeltaTable delta={delta} changes={found} />
      )}
    </>
  );
}

function Incomplete({ instant }: { readonly instant: ComparedInstant }) {
  if (instant.complete) return null;
  return (
    <p class="compare-warning">
      <HealthIcon health="warning" label="Warning" /> What was measured at {formatTime(Date.parse(instant.time) / 1000)}{" "}
      is incomplete: what differs there may only be missing.
    </p>
  );
}

function DeltaTable({ delta, changes }: { readonly delta: Delta; readonly changes: readonly Change[] }) {
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => buildRows(changes, toggled, changes.length <= MAXIMUM_OPEN), [changes, toggled]);
  const toggle = (row: DeltaRow) => {
    const next = new Set(toggled);
    if (!next.delete(row.key)) next.add(row.key);
    setToggled(next);
  };
  return (
    <div class="compare-changes">
      <TreeTable
        label="Changes"
        rows={rows}
        columns={columnsOf(delta)}
        selected={null}
        onSelect={(row) => row.isExpanded !== null && toggle(row)}
        onOpen={(row) => {
          if (row.type === "object") navigate(hrefOfChange(row.change));
          else if (row.isExpanded !== null) toggle(row);
        }}
        onToggle={toggle}
        onFocus={() => {}}
      />
    </div>
  );
}

function columnsOf({ from, to }: Delta): readonly TreeColumn<DeltaRow>[] {
  const title = ({ time }: ComparedInstant) => formatRecentTime(Date.parse(time) / 1000, Date.now());
  return [
    { title: "What", render: (row) => <What row={row} />, titleOf: titleOf },
    {
      title: `From ${title(from)}`,
      render: (row) => row.type === "field" && <FieldValue text={row.field.before} />,
      titleOf: (row) => (row.type === "field" ? safeText(row.field.before) : ""),
    },
    {
      title: `To ${title(to)}`,
      render: (row) => row.type === "field" && <FieldValue text={row.field.after} />,
      titleOf: (row) => (row.type === "field" ? safeText(row.field.after) : ""),
    },
  ];
}

function What({ row }: { readonly row: DeltaRow }) {
  switch (row.type) {
    case "group":
      return (
        <>
          <strong>{row.isName ? <bdi>{clusterTitle(row.title)}</bdi> : row.title}</strong>{" "}
          <span class="quiet-text">{describeCounts(row.counts)}</span>
        </>
      );
    case "object":
      return (
        <>
          <ChangeMark type={row.change.type} />{" "}
          <a href={hrefOfChange(row.change)} tabIndex={-1} onClick={(event) => event.stopPropagation()}>
            <Name text={nameOf(row.change)} />
          </a>
        </>
      );
    case "field":
      return <Name text={row.field.label} />;
  }
}

function titleOf(row: DeltaRow): string {
  switch (row.type) {
    case "group":
      return safeText(row.title);
    case "object":
      return safeText(nameOf(row.change));
    case "field":
      return safeText(row.field.label);
  }
}

function nameOf({ namespace, name = "" }: Change): string {
  return namespace ? `${namespace}/${name}` : name;
}

const MARKS: Readonly<Record<ChangeType, readonly [sign: string, text: string, style: string]>> = {
  ADDED: ["+", "added", "added"],
  REMOVED: ["−", "removed", "removed"],
  MODIFIED: ["~", "changed", "modified"],
};

function ChangeMark({ type }: { readonly type: ChangeType }) {
  const [sign, text, style] = MARKS[type];
  return (
    <span class={`change-mark ${style}`}>
      <span aria-hidden="true">{sign} </span>
      <span class="change-mark-text">{text}</span>
    </span>
  );
}

function FieldValue({ text }: { readonly text: string }) {
  return text === "" ? <span class="quiet-text">unknown</span> : <Name text={text} maximum={300} />;
}

/** An object where it is: one that was removed, as it was before. */
function hrefOfChange(change: Change): string {
  const time = parameter(change.type === "REMOVED" ? "from" : "to");
  return hrefOfObject(objectOf(change), { time, span: undefined });
}
