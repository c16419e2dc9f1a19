/** What is missing in the data and which exporter would fill it, what failed, and what was left out. */

import type { ComponentChildren } from "preact";
import { Bar } from "../components/bar";
import { HealthBadge } from "../components/health";
import { Name } from "../components/name";
import { Screen } from "../components/screen";
import { EmptyState, Loading, ProblemView } from "../components/states";
import { outage } from "../data/client";
import { useNow } from "../data/hooks";
import { formatCount, formatDuration, formatNumber, formatQuantity, formatRatio } from "../format";
import { CopyButton, Field, Section } from "./detail/parts";
import { PlainTable } from "./plain_table";
import { type Quality, useQuality } from "./quality/document";
import {
  describeRefresh,
  groupExporters,
  groupFailures,
  groupLeftOut,
  groupMissing,
  groupWarnings,
  type MissingSource,
} from "./quality/groups";

/** Columns of numbers, in all tables of this screen. */
const NUMBERS = ["Samples", "Objects", "Queries with results"];
/** Names of queries in a cell; the rest is in the title. */
const MAXIMUM_CHARACTERS = 160;

export function QualityScreen() {
  const { quality, problem } = useQuality();
  return (
    <Screen title="Quality">
      <p class="quiet-text">What data is missing, why, and which exporter or setting would add it.</p>
      {quality !== null && problem !== null && <ProblemView problem={problem} title="This report is out of date" />}
      {quality !== null ? (
        <Document quality={quality} isCurrent={problem === null && outage.value === null} />
      ) : problem === null ? (
        <Loading />
      ) : problem.kind === "forbidden" ? (
        <Forbidden />
      ) : (
        <ProblemView problem={problem} title="The quality report could not be loaded" />
      )}
    </Screen>
  );
}

function Forbidden() {
  return (
    <EmptyState title="This screen needs access to all clusters">
      <p>
        It names queries, scrape targets and objects of every cluster. Ask for a role with access to all of them: one
        that <code>CLUSTER_ROLES</code> maps to <code>*</code>.
      </p>
      <p>The header of every screen says how old your data is and whether it is complete.</p>
    </EmptyState>
  );
}

interface DocumentProps {
  readonly quality: Quality;
  readonly isCurrent: boolean;
}

function Document({ quality, isCurrent }: DocumentProps) {
  const {
    vanished = [],
    contradictions = [],
    limitedFields = [],
    unplacedObjects = [],
    unplacedTargets = [],
  } = quality;
  const leftOut = groupLeftOut(quality);
  const warnings = groupWarnings(quality);
  return (
    <div class="detail-grid">
      <State quality={quality} isCurrent={isCurrent} />
      <Families quality={quality} />
      <Failures quality={quality} />
      <ListSection title="Warnings of sources" columns={["Source", "Warning", "Queries"]} rows={warnings}>
        {({ source, warning, queries }) => (
          <tr key={`${source} ${warning}`}>
            <Cell text={source} isHeading />
            <Cell text={warning} />
            <Cell text={queries.join(", ")} />
          </tr>
        )}
      </ListSection>
      <Missing sources={groupMissing(quality)} />
      <ListSection title="Contradictions" columns={["Object", "Field", "Values"]} rows={contradictions}>
        {({ object = "", field = "", values = [], cluster = "" }) => (
          <tr key={`${cluster} ${object} ${field}`}>
            <Cell text={object} isHeading />
            <Cell text={field} />
            <Cell text={values.join(", ")} />
          </tr>
        )}
      </ListSection>
      <ListSection title="Objects that are not in the topology" columns={["Objects", "Why"]} rows={unplacedObjects}>
        {({ kind = "objects", reason = "", objects = 0 }) => (
          <tr key={`${kind} ${reason}`}>
            <Cell text={formatQuantity(objects, kind.replace(/s$/, ""))} isHeading />
            <Cell text={reason} />
          </tr>
        )}
      </ListSection>
      <ListSection title="Scrape targets on an unknown host" columns={["Target", "Job", "Why"]} rows={unplacedTargets}>
        {({ cluster = "", job = "", instance = "", reason = "" }) => (
          <tr key={`${cluster} ${job} ${instance}`}>
            <Cell text={instance} isHeading />
            <Cell text={job} />
            <Cell text={reason} />
          </tr>
        )}
      </ListSection>
      <ListSection title="Samples left out" columns={["Samples", "What happened", "Reason", "Queries"]} rows={leftOut}>
        {({ what, reason, samples, queries }) => (
          <tr key={`${what} ${reason}`}>
            <td class="number">{formatCount(samples)}</td>
            <td>{what}</td>
            <Cell text={reason} />
            <Cell text={queries.join(", ")} />
          </tr>
        )}
      </ListSection>
      <ListSection title="Values out of range" columns={["Field", "Objects", "Why"]} rows={limitedFields}>
        {({ kind = "", field = "", reason = "", objects = 0 }) => (
          <tr key={`${kind}.${field} ${reason}`}>
            <Cell text={`${kind}.${field}`} isHeading />
            <td class="number">{formatCount(objects)}</td>
            <Cell text={reason} />
          </tr>
        )}
      </ListSection>
      <ListSection title="Vanished" columns={["Cluster or node"]} rows={vanished}>
        {(text) => (
          <tr key={text}>
            <Cell text={text} isHeading />
          </tr>
        )}
      </ListSection>
      <ListSection
        title="Exporters"
        columns={["Exporter", "Samples", "Queries with results"]}
        rows={groupExporters(quality)}
      >
        {({ exporter, samples, queries, filled }) => (
          <tr key={exporter}>
            <Cell text={exporter} isHeading />
            <td class="number">{formatCount(samples)}</td>
            <td class="number">
              {formatCount(filled)} of {formatCount(queries)}
            </td>
          </tr>
        )}
      </ListSection>
    </div>
  );
}

function State({ quality, isCurrent }: DocumentProps) {
  const { totals = {}, refreshDurationSeconds = Number.NaN } = quality;
  const { samples = 0, placedSamples = 0 } = totals;
  const now = useNow();
  const age = now / 1000 - Date.parse(quality.refreshTime ?? "") / 1000;
  const command = `aggregator doctor --url ${location.origin}`;
  return (
    <Section title="Last refresh">
      <p>
        <HealthBadge {...describeRefresh(quality, isCurrent)} />
      </p>
      <dl class="fields">
        <Field label="Refreshed">{Number.isNaN(age) ? "never" : `${formatDuration(age)} ago`}</Field>
        <Field label="Duration">
          {Number.isNaN(refreshDurationSeconds) ? "" : `${formatNumber(refreshDurationSeconds)} s`}
        </Field>
        <Field label="Queries">
          {formatCount(totals.queries ?? 0)}, {formatCount(totals.failedQueries ?? 0)} failed
        </Field>
        <Field label="Samples">
          {formatCount(samples)}
          {samples > 0 && `, ${formatRatio(Math.min(1, placedSamples / samples))} in the topology`}
        </Field>
      </dl>
      <p>For advice on each of these, with examples, run:</p>
      <p class="command">
        <code>{command}</code> <CopyButton text={command} />
      </p>
    </Section>
  );
}

function Families({ quality: { families = [] } }: { readonly quality: Quality }) {
  const largest = Math.max(1, ...families.map(({ nodes = 0 }) => nodes));
  return (
    <Section title="Telemetry found">
      {families.length === 0 ? (
        <p>No telemetry describes a node.</p>
      ) : (
        <PlainTable caption="Families of telemetry" columns={["Family", "Clusters", "Nodes"]} numbers={["Clusters"]}>
          {families.map(({ family, clusters = 0, nodes = 0 }) => (
            <tr key={family}>
              <Cell text={family} isHeading />
              <td class="number">{formatCount(clusters)}</td>
              <td>
                <Bar ratio={nodes / largest} text={formatCount(nodes)} warnFrom={null} />
              </td>
            </tr>
          ))}
        </PlainTable>
      )}
    </Section>
  );
}

function Failures({ quality }: { readonly quality: Quality }) {
  return (
    <ListSection
      title="Failed queries"
      columns={["Source", "Error", "Instead", "Queries"]}
      rows={groupFailures(quality)}
    >
      {({ source, error, queries, ageSeconds }) => (
        <tr key={`${source} ${error}`}>
          <Cell text={source} isHeading />
          <Cell text={error} maximum={500} />
          <td>{Number.isNaN(ageSeconds) ? "nothing" : `the answer of ${formatDuration(ageSeconds)} ago`}</td>
          <Cell text={queries.join(", ")} />
        </tr>
      )}
    </ListSection>
  );
}

function Missing({ sources }: { readonly sources: readonly MissingSource[] }) {
  return (
    <Section title="Fields without values, and what would fill them" isWide>
      <p class="quiet-text">A field is listed if no object of the whole fleet has a value for it.</p>
      {sources.length === 0 ? (
        <HealthBadge health="ok" text="Every field has a value for at least one object." />
      ) : (
        <PlainTable
          caption="Exporters that would fill fields"
          columns={["Exporter or setting", "Fields", "Now", "Queries"]}
        >
          {sources.map(({ exporters, fields, reasons, queries }) => (
            <tr key={exporters}>
              <Cell text={exporters || "none known"} isHeading />
              <td>
                <Name text={fields.map(({ kind, field }) => `${kind}.${field}`).join(", ")} maximum={1000} />
              </td>
              <td class="reason">
                <Name text={reasons.join("; ")} maximum={MAXIMUM_CHARACTERS} />
              </td>
              <td>
                <details>
                  <summary>{formatQuantity(queries.length, "query", "queries")}</summary>
                  {queries.map(({ name, note = "", promql = "" }) => (
                    <div key={name} class="query">
                      <p>{note}</p>
                      <p class="command">
                        <code>{promql}</code> <CopyButton text={promql} />
                      </p>
                    </div>
                  ))}
                </details>
              </td>
            </tr>
          ))}
        </PlainTable>
      )}
    </Section>
  );
}

interface ListSectionProps<T> {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly T[];
  readonly children: (row: T) => ComponentChildren;
}

/** A section with a table; nothing if there are no rows. */
function ListSection<T>({ title, columns, rows, children }: ListSectionProps<T>) {
  if (rows.length === 0) return null;
  return (
    <Section title={title} isWide>
      <PlainTable caption={title} columns={columns} numbers={NUMBERS}>
        {rows.map(children)}
      </PlainTable>
    </Section>
  );
}

interface CellProps {
  readonly text: string;
  readonly isHeading?: boolean;
  readonly maximum?: number;
}

function Cell({ text, isHeading = false, maximum = MAXIMUM_CHARACTERS }: CellProps) {
  const name = <Name text={text} maximum={maximum} />;
  return isHeading ? <th scope="row">{name}</th> : <td>{name}</td>;
}
