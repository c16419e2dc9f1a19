/** A text field with completions: arrows choose, Enter and Tab take, Escape closes the list. */

import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { safeText } from "../format";
import { choiceOfKey, comboboxProps, Option, useChoiceInSight } from "./listbox";

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

interface CompletionFieldProps {
  readonly id: string;
  readonly text: string;
  readonly onText: (text: string) => void;
  readonly complete?: Complete | undefined;
  readonly field?: RefObject<HTMLInputElement | null>;
  readonly placeholder?: string | undefined;
  readonly isInvalid?: boolean;
  /** The ids of what describes the field. */
  readonly describedBy?: string | undefined;
}

export function CompletionField(props: CompletionFieldProps) {
  const { id, text, onText, complete, placeholder, isInvalid = false, describedBy } = props;
  const own = useRef<HTMLInputElement>(null);
  const field = props.field ?? own;
  const { items, chosen, isOpen, ask, choose, close } = useCompletions(field, complete);
  const wanted = useRef<number | null>(null);
  const list = useChoiceInSight(chosen);
  const listId = `${id}-list`;

  useEffect(() => {
    if (wanted.current === null) return;
    field.current?.setSelectionRange(wanted.current, wanted.current);
    wanted.current = null;
    ask();
  }, [text, field, ask]);

  const take = (item: Completion) => {
    wanted.current = item.from + item.text.length;
    onText(text.slice(0, item.from) + item.text + text.slice(item.to));
    close();
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const item = items[chosen];
    const choice = choiceOfKey(event.key, chosen, items.length);
    if (choice !== null) choose(choice);
    else if (event.key === "ArrowDown") ask();
    else if ((event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) && item !== undefined) take(item);
    else if (event.key === "Escape" && isOpen) close();
    else {
      // Enter submits, and what is asked for now would open over the result.
      if (event.key === "Enter") close();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <>
      <input
        ref={field}
        id={id}
        type="text"
        value={text}
        placeholder={placeholder}
        aria-invalid={isInvalid}
        aria-describedby={describedBy}
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        {...(complete && comboboxProps(listId, chosen, isOpen))}
        onKeyDown={onKeyDown}
        onBlur={close}
        onInput={(event) => {
          onText(event.currentTarget.value);
          ask();
        }}
      />
      {complete && (
        <div id={listId} ref={list} role="listbox" aria-label="Completions" class="completions" hidden={!isOpen}>
          {items.map((item, index) => (
            <Option
              key={`${item.text} ${item.label}`}
              list={listId}
              index={index}
              chosen={chosen}
              onTake={() => take(item)}
            >
              <span>{safeText(item.label ?? item.text, 100)}</span>
              {item.detail && <span class="detail">{safeText(item.detail, 100)}</span>}
            </Option>
          ))}
        </div>
      )}
    </>
  );
}

function useCompletions(field: RefObject<HTMLInputElement | null>, complete: Complete | undefined) {
  const [items, setItems] = useState<readonly Completion[]>([]);
  const [chosen, choose] = useState(-1);
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    const element = field.current;
    if (asked === 0 || complete === undefined || element === null) return;
    const abort = new AbortController();
    const show = (found: readonly Completion[]) => {
      if (abort.signal.aborted) return;
      setItems(found);
      choose(-1);
    };
    // Without completions the field is a plain field.
    complete(element.value, element.selectionStart ?? element.value.length, abort.signal).then(show, () => show([]));
    return () => abort.abort();
  }, [asked, complete, field]);
  const [ask] = useState(() => () => setAsked((count) => count + 1));
  const close = () => {
    setAsked(0);
    setItems([]);
    choose(-1);
  };
  return { items, chosen, isOpen: items.length > 0, ask, choose, close };
}
