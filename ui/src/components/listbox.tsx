/** The list of a combobox: the field keeps the focus, and the arrows choose in the list. */

import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** The option that a key chooses, null if the key chooses none. -1 is no option. */
export function choiceOfKey(key: string, chosen: number, count: number): number | null {
  if (count === 0) return null;
  switch (key) {
    case "ArrowDown":
      return (chosen + 1) % count;
    case "ArrowUp":
      return chosen <= 0 ? count - 1 : chosen - 1;
    case "PageDown":
      return Math.min(count - 1, chosen + PAGE_OPTIONS);
    case "PageUp":
      return Math.max(0, chosen - PAGE_OPTIONS);
    default:
      return null;
  }
}

const PAGE_OPTIONS = 8;

function optionId(id: string, index: number): string {
  return `${id}-${index}`;
}

/** What makes a field the combobox of the list with this id. */
export function comboboxProps(id: string, chosen: number, isOpen: boolean) {
  return {
    role: "combobox" as const,
    "aria-autocomplete": "list" as const,
    "aria-expanded": isOpen,
    "aria-controls": id,
    "aria-activedescendant": isOpen && chosen >= 0 ? optionId(id, chosen) : undefined,
    spellcheck: false,
    autocomplete: "off",
    autocapitalize: "off" as const,
  };
}

/** Keeps the chosen option in sight. */
export function useChoiceInSight(chosen: number): RefObject<HTMLDivElement | null> {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return list;
}

interface OptionProps {
  /** The id of the list. */
  readonly list: string;
  readonly index: number;
  readonly chosen: number;
  readonly onTake: () => void;
  readonly children: ComponentChildren;
}

export function Option({ list, index, chosen, onTake, children }: OptionProps) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents lint/a11y/useFocusableInteractive: The field has the focus and the keys.
    <div
      id={optionId(list, index)}
      role="option"
      aria-selected={index === chosen}
      onPointerDown={(event) => event.preventDefault()}
      onClick={onTake}
    >
      {children}
    </div>
  );
}
