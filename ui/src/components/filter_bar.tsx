/** The filter of a screen: an expression of the API, kept in the address. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Problem } from "../data/client";
import { safeText } from "../format";
import { useShortcut } from "../keyboard";
import { parameter, setParameters } from "../router";

/** Replaces the characters from `from` to `to` of the expression by `text`. */
export interface Completion {
  readonly from: number;
  readonly to: number;
  readonly text: string;
  /** What the list shows, `text` without one. */
  readonly label?: string;
  /** Beside it: the type of a field, for example. */
  readonly detail?: string;
}

/** Completions of an expression with the cursor at a position, best first. */
export type Complete = (expression: string, cursor: number, signal: AbortSignal) => Promise<readonly Completion[]>;

interface FilterBarProps {
  /** The parameter of the address: a filter, or a label selector. */
  readonly name?: "filter" | "labels";
  readonly label?: string;
  readonly placeholder?: string;
  /** The failure of the request that used the expression. It is shown here if it is about the expression. */
  readonly problem?: Problem | null;
  readonly complete?: Complete;
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
  useShortcut("/", "filter", () => input.current?.focus());
  const isOurs = problem !== null && problem.kind === "invalid" && (problem.parameter ?? "filter") === name;
  const list = useCompletions(text, input, complete, setText);
  const apply = (expression: string) => setParameters({ [name]: expression.trim() || undefined });
  return (
    <form
      class="filter-bar"
      onSubmit={(event) => {
        event.preventDefault();
        list.close();
        apply(text);
      }}
    >
      <label for={id}>{label}</label>
      <div class="filter-field">
        <input
          ref={input}
          id={id}
          type="text"
          value={text}
          placeholder={placeholder}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          aria-invalid={isOurs}
          aria-describedby={isOurs ? `${id}-problem` : undefined}
          {...(complete && list.inputProps(id))}
          onInput={(event) => {
            setText(event.currentTarget.value);
            list.update();
          }}
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
        {complete && list.render(id)}
      </div>
      <button type="submit">Apply</button>
      {isOurs && (
        <div id={`${id}-problem`} class="field-problem" role="alert">
          <p>{safeText(problem.detail || problem.title, 1000)}</p>
          {problem.nearest && (
            <p>
              Similar:{" "}
              {problem.nearest.slice(0, 5).map((nearest) => (
                <code key={nearest}>{safeText(nearest, 80)} </code>
              ))}
            </p>
          )}
        </div>
      )}
    </form>
  );
}

/** The list below the field: arrows choose, Enter and Tab take, Escape closes. */
function useCompletions(
  text: string,
  input: { readonly current: HTMLInputElement | null },
  complete: Complete | undefined,
  setText: (text: string) => void,
) {
  const [items, setItems] = useState<readonly Completion[]>([]);
  const [chosen, setChosen] = useState(-1);
  const [asked, setAsked] = useState(0);
  const wanted = useRef<number | null>(null);

  useEffect(() => {
    const element = input.current;
    if (asked === 0 || complete === undefined || element === null) return;
    const abort = new AbortController();
    const show = async () => {
      const found = await complete(element.value, element.selectionStart ?? element.value.length, abort.signal);
      if (abort.signal.aborted) return;
      setItems(found);
      setChosen(-1);
    };
    show().catch(() => setItems([]));
    return () => abort.abort();
  }, [asked, complete, input]);

  useEffect(() => {
    if (wanted.current === null) return;
    input.current?.setSelectionRange(wanted.current, wanted.current);
    wanted.current = null;
    setAsked((count) => count + 1);
  }, [text, input]);

  const close = () => {
    setItems([]);
    setChosen(-1);
  };
  const take = (item: Completion) => {
    wanted.current = item.from + item.text.length;
    setText(text.slice(0, item.from) + item.text + text.slice(item.to));
    close();
    input.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const item = items[chosen];
    if (event.key === "Escape" && items.length > 0) close();
    else if (event.key === "ArrowDown" && items.length === 0) setAsked((count) => count + 1);
    else if (event.key === "ArrowDown") setChosen((chosen + 1) % items.length);
    else if (event.key === "ArrowUp" && items.length > 0) setChosen(chosen <= 0 ? items.length - 1 : chosen - 1);
    else if ((event.key === "Enter" || event.key === "Tab") && item !== undefined) take(item);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return {
    close,
    update: () => setAsked((count) => count + 1),
    inputProps: (id: string) => ({
      role: "combobox" as const,
      "aria-autocomplete": "list" as const,
      "aria-expanded": items.length > 0,
      "aria-controls": `${id}-list`,
      "aria-activedescendant": chosen >= 0 ? `${id}-${chosen}` : undefined,
      onKeyDown,
      onBlur: close,
    }),
    render: (id: string) => (
      <div id={`${id}-list`} role="listbox" aria-label="Completions" class="completions" hidden={items.length === 0}>
        {items.map((item, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents lint/a11y/useFocusableInteractive: The field has the focus and the keys.
          <div
            key={item.text + item.label}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === chosen}
            onPointerDown={(event) => event.preventDefault()}
            onClick={() => take(item)}
          >
            <span>{safeText(item.label ?? item.text, 100)}</span>
            {item.detail && <span class="detail">{safeText(item.detail, 100)}</span>}
          </div>
        ))}
      </div>
    ),
  };
}
