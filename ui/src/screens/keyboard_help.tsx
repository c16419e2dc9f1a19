/** The keys of the page: those that work now, and those of what has the focus. */

import { signal } from "@preact/signals";
import { Dialog } from "../components/dialog";
import { areSingleKeysOn, isSingleKey, type Shortcut, setSingleKeys, shortcuts, useShortcut } from "../keyboard";
import { groupBy } from "./group";

const isOpen = signal(false);

function open(): void {
  isOpen.value = true;
}

interface KeyGroup {
  readonly title: string;
  readonly keys: readonly (readonly [keys: string, description: string])[];
}

const FOCUS_KEYS: readonly KeyGroup[] = [
  {
    title: "In a table",
    keys: [
      ["↑ ↓ PageUp PageDown Home End", "go to another row"],
      ["Enter", "open the object"],
      ["Space", "show it beside the table"],
    ],
  },
  {
    title: "In the table of the map or the world",
    keys: [
      ["↑ ↓ PageUp PageDown Home End", "go to another row"],
      ["→ ←", "expand and collapse"],
      ["Space", "select"],
      ["Enter", "open the object"],
    ],
  },
  {
    title: "In the drawing of the map or the world",
    keys: [
      ["← → ↑ ↓", "move"],
      ["+ −", "zoom"],
      ["0", "show everything"],
      ["Escape", "clear the selection"],
    ],
  },
  {
    title: "In a field with a list",
    keys: [
      ["↑ ↓", "choose"],
      ["Enter Tab", "accept what is chosen"],
      ["Escape", "close the list"],
    ],
  },
];

/** In the header. The dialog is elsewhere, because it has a header of its own. */
export function KeyboardHelpButton() {
  return (
    <button type="button" class="help-button" aria-label="Keyboard shortcuts" title="Keyboard shortcuts" onClick={open}>
      ?
    </button>
  );
}

export function KeyboardHelp() {
  useShortcut("?", "show this help", open);
  return (
    <Dialog title="Keyboard" isOpen={isOpen.value} onClose={() => (isOpen.value = false)}>
      <label class="key-switch">
        <input
          type="checkbox"
          checked={areSingleKeysOn.value}
          onChange={(event) => setSingleKeys(event.currentTarget.checked)}
        />
        <span>
          Shortcuts with a single character, such as <kbd>/</kbd> and <kbd>:</kbd>
        </span>
      </label>
      <div class="key-groups">
        <Keys title="On this screen" keys={describeShortcuts(shortcuts.value)} />
        {FOCUS_KEYS.map((group) => (
          <Keys key={group.title} {...group} />
        ))}
      </div>
    </Dialog>
  );
}

function Keys({ title, keys }: KeyGroup) {
  return (
    <section>
      <h3>{title}</h3>
      <dl class="key-list">
        {keys.map(([names, description]) => (
          <div key={names}>
            <dt>
              {names.split(" ").map((name) => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dt>
            <dd>{description}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function describeShortcuts(active: readonly Shortcut[]): KeyGroup["keys"] {
  const working = active.filter(({ key }) => areSingleKeysOn.value || !isSingleKey(key));
  return [...groupBy(working, ({ description }) => description)].map(([description, same]) => {
    const names = same.map(({ key }) =>
      key.replace(/^Ctrl\+(.)$/, (_, letter: string) => `Ctrl+${letter.toUpperCase()}`),
    );
    return [[...new Set(names)].join(" "), description];
  });
}
