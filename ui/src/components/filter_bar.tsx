/** The filter of a screen: an expression of the API, kept in the address. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Problem } from "../data/client";
import { shortDetail } from "../data/problem";
import { safeText } from "../format";
import { useShortcut } from "../keyboard";
import { parameter, setParameters } from "../router";
import { type Complete, CompletionField } from "./completion_field";
import { Similar } from "./states";

interface FilterBarProps {
  /** The parameter of the address: a filter, or a label selector. */
  readonly name?: "filter" | "labels";
  readonly label?: string;
  readonly placeholder?: string;
  /** The failure of the request that used the expression. It is shown here if it is about the expression. */
  readonly problem?: Problem | null;
  readonly complete?: Complete | undefined;
}

export function FilterBar({
  name = "filter",
  label = "Filter",
  placeholder = "phase=Running, memory_bytes>=1Gi",
  problem = null,
  complete,
}: FilterBarProps) {
  const applied = parameter(name);
  const [text, setText] = useState(applied);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => setText(applied), [applied]);
  useShortcut(name === "filter" ? "/" : null, "filter", () => input.current?.focus());
  const isOurs = problem !== null && problem.kind === "invalid" && (problem.parameter ?? "filter") === name;
  const apply = (expression: string) => setParameters({ [name]: expression.trim() || undefined });
  return (
    <form
      class="filter-bar"
      onSubmit={(event) => {
        event.preventDefault();
        apply(text);
      }}
    >
      <label for={id}>{label}</label>
      <div class="filter-field">
        <CompletionField
          field={input}
          id={id}
          text={text}
          onText={setText}
          complete={complete}
          placeholder={placeholder}
          isInvalid={isOurs}
          describedBy={isOurs ? `${id}-problem` : undefined}
        />
        {text !== "" && (
          <button
            type="button"
            class="quiet"
            aria-label={`Clear ${label.toLowerCase()}`}
            onClick={() => {
              setText("");
              apply("");
              input.current?.focus();
            }}
          >
            ✕
          </button>
        )}
      </div>
      <button type="submit">Apply</button>
      {isOurs && (
        <div id={`${id}-problem`} class="field-problem" role="alert">
          <p>{safeText(shortDetail(problem) || problem.title, 1000)}</p>
          <Similar problem={problem} />
        </div>
      )}
    </form>
  );
}
