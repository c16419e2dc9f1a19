/** What the pages of all objects are made of. */

import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { gateway } from "../../auth/auth";
import { HealthBadge, HealthIcon, healthText } from "../../components/health";
import { Name } from "../../components/name";
import { Loading } from "../../components/states";
import { formatCount, formatTime, safeText } from "../../format";
import { shownTime } from "../../router";
import { pathAt } from "../../time/shown";
import type { ObjectState } from "../object_state";
import { PlainTable } from "../plain_table";
import type { Explanation } from "./explanation";
import {
  fieldLabel,
  formatAddress,
  formatField,
  hasValue,
  isObject,
  type JsonObject,
  selectOtherFields,
} from "./fields";

/** Longer lists and maps are cut; the JSON of the object has them whole. */
const MAXIMUM_ITEMS = 200;
/** Objects in objects deeper than this are shown as JSON. */
const MAXIMUM_DEPTH = 3;

interface SectionProps {
  readonly title: string;
  /** It needs the whole width: a table. */
  readonly isWide?: boolean;
  readonly children: ComponentChildren;
}

export function Section({ title, isWide = false, children }: SectionProps) {
  const id = useId();
  return (
    <section class={isWide ? "detail-section wide" : "detail-section"} aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}

interface StateViewProps {
  /** As the API judges it; null until it has arrived. */
  readonly state: ObjectState | null;
  /** Of its problems. */
  readonly explanations: readonly Explanation[];
  /** What is said if nothing is wrong. */
  readonly text: string;
}

/** The state of an object: what is wrong, why, and what to do next. */
export function StateView({ state, explanations, text }: StateViewProps) {
  if (state === null) return <Loading />;
  const { health, problems } = state;
  return (
    <>
      <p class="state">
        <HealthBadge health={health} text={problems.length === 0 ? text : healthText(health)} />
      </p>
      {explanations.length > 0 && (
        <ul class={`explanations ${health}`}>
          {explanations.map(({ title, advice, command }) => (
            <li key={title}>
              <p class="explanation-title">{title}</p>
              {advice && <p>{advice}</p>}
              {command && <Command text={command} />}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Command({ text }: { readonly text: string }) {
  return (
    <p class="command">
      <code>{text}</code> <CopyButton text={text} />
    </p>
  );
}

/** Copies a text. Where the address is not secure, browsers have no clipboard, and there is no button. */
export function CopyButton({ text, label = "Copy" }: { readonly text: string; readonly label?: string }) {
  const [isCopied, setCopied] = useState(false);
  if (!navigator.clipboard) return null;
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false),
    );
  };
  return (
    <button type="button" onClick={copy} onBlur={() => setCopied(false)}>
      {label}
      <span role="status">{isCopied && " ✓ copied"}</span>
    </button>
  );
}

interface FieldsProps {
  readonly object: JsonObject;
  readonly names: readonly string[];
}

/** Fields with their values, those that are known. */
export function Fields({ object, names }: FieldsProps) {
  const known = names.filter((name) => hasValue(object[name]));
  if (known.length === 0) return null;
  return (
    <dl class="fields">
      {known.map((name) => (
        <Field key={name} label={fieldLabel(name)}>
          <Value name={name} value={object[name]} />
        </Field>
      ))}
    </dl>
  );
}

export function Field({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

interface ValueProps {
  readonly name: string;
  readonly value: unknown;
  readonly depth?: number;
}

/** Any value of the API: also of a field that this page does not know. */
export function Value({ name, value, depth = 0 }: ValueProps) {
  if (name === "addresses" && Array.isArray(value)) {
    return <Name text={value.filter(isObject).map(formatAddress).join(", ")} maximum={1000} />;
  }
  if (Array.isArray(value)) return <ListValue name={name} values={value} depth={depth} />;
  if (!isObject(value)) return <Name text={formatField(name, value)} maximum={300} />;
  if (depth >= MAXIMUM_DEPTH) return <code>{safeText(JSON.stringify(value), 300)}</code>;
  const entries = Object.entries(value);
  return (
    <dl class="fields">
      {entries.slice(0, MAXIMUM_ITEMS).map(([key, inner]) => (
        <div key={key}>
          <dt>
            <Name text={key} />
          </dt>
          <dd>
            <Value name={key} value={inner} depth={depth + 1} />
          </dd>
        </div>
      ))}
      <More count={entries.length - MAXIMUM_ITEMS} />
    </dl>
  );
}

function ListValue({ name, values, depth }: { name: string; values: readonly unknown[]; depth: number }) {
  const shown = values.slice(0, MAXIMUM_ITEMS);
  if (!values.some(isObject)) {
    return (
      <>
        <Name text={shown.map((value) => formatField(name, value)).join(", ")} maximum={1000} />
        <More count={values.length - shown.length} />
      </>
    );
  }
  const objects = shown.filter(isObject);
  const columns = [...new Set(objects.flatMap(Object.keys))];
  return (
    <>
      <PlainTable caption={fieldLabel(name)} columns={columns.map(fieldLabel)}>
        {objects.map((object, index) => (
          <tr key={String(object["name"] ?? index)}>
            {columns.map((column) => (
              <td key={column}>
                <Value name={column} value={object[column]} depth={depth + 1} />
              </td>
            ))}
          </tr>
        ))}
      </PlainTable>
      <More count={values.length - shown.length} />
    </>
  );
}

function More({ count }: { readonly count: number }) {
  return count > 0 ? <p class="quiet-text">and {formatCount(count)} more</p> : null;
}

interface FieldSectionProps extends FieldsProps {
  readonly title: string;
  readonly isWide?: boolean;
}

/** A section of fields; nothing if none of them is known. */
export function FieldSection({ title, isWide = false, object, names }: FieldSectionProps) {
  if (!names.some((name) => hasValue(object[name]))) return null;
  return (
    <Section title={title} isWide={isWide}>
      <Fields object={object} names={names} />
    </Section>
  );
}

/** A section of one field whose value is a map or a list. */
export function ValueSection({ object, name, title = fieldLabel(name), isWide = false }: ValueSectionProps) {
  if (!hasValue(object[name])) return null;
  return (
    <Section title={title} isWide={isWide}>
      <Value name={name} value={object[name]} />
    </Section>
  );
}

interface ValueSectionProps {
  readonly object: JsonObject;
  readonly name: string;
  readonly title?: string;
  readonly isWide?: boolean;
}

/** Everything that no other section shows: the fields of later versions of the API. */
export function OtherFieldsSection({
  object,
  shown,
}: {
  readonly object: JsonObject;
  readonly shown: ReadonlySet<string>;
}) {
  const rest = selectOtherFields(object, shown);
  return <FieldSection title="Other fields" isWide object={rest} names={Object.keys(rest)} />;
}

/** The object as the API returns it, and where. A link cannot carry a token: it is there if none is necessary. */
export function RawSection({ path, object }: { readonly path: string; readonly object: JsonObject }) {
  const [isOpen, setOpen] = useState(false);
  const href = `/api/v1${pathAt(path, shownTime.value)}`;
  return (
    <Section title="JSON" isWide>
      {gateway.value?.tokenRequired === false && (
        <p>
          <a href={href} target="_blank" rel="noopener">
            <code>{safeText(href, 300)}</code>
          </a>{" "}
          <span class="quiet-text">(in a new tab)</span>
        </p>
      )}
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>Show</summary>
        {isOpen && <RawText text={JSON.stringify(object, null, 2)} />}
      </details>
    </Section>
  );
}

function RawText({ text }: { readonly text: string }) {
  const shown = text.split("\n").map((line) => safeText(line));
  return (
    <>
      <CopyButton text={text} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: What scrolls must be reached by the keyboard. */}
      <pre class="raw" tabIndex={0}>
        {shown.join("\n")}
      </pre>
    </>
  );
}

/** Says that an object is not in the topology any longer, above what was known last. */
export function GoneNotice({ since }: { readonly since: number }) {
  return (
    <p class="notice failed" role="status">
      <HealthIcon health="failed" /> No longer in the topology since {formatTime(since / 1000)}. These are the last
      known values.
    </p>
  );
}
