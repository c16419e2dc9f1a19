/** Search over everything known: a dialog with a field and a list of what is found while somebody types. */

import { signal } from "@preact/signals";
import { useEffect, useId, useState } from "preact/hooks";
import { Dialog } from "../components/dialog";
import { HealthIcon, healthText } from "../components/health";
import { choiceOfKey, comboboxProps, Option, useChoiceInSight } from "../components/listbox";
import { ProblemView } from "../components/states";
import { getJson } from "../data/api";
import { type Problem, ProblemError } from "../data/problem";
import { formatCount, safeText } from "../format";
import { useShortcut } from "../keyboard";
import { navigate } from "../router";
import { buildGroups, placeOfChoice, type SearchItem, type SearchResponse, splitMatch } from "./search/items";

/** Nobody reads what is found while the next key is on its way. */
const PAUSE_MILLISECONDS = 120;
/** As many as fit on the screen. */
const LIMIT = 30;
/** The API allows no more. */
const MAXIMUM_CHARACTERS = 100;

export const isSearchOpen = signal(false);

function openSearch(): void {
  isSearchOpen.value = true;
}

/** Where to go when the dialog is closed: it gives the focus back first, and then the new screen takes it. */
let chosenHref: string | null = null;

function closeSearch(): void {
  isSearchOpen.value = false;
}

function leaveSearch(): void {
  closeSearch();
  if (chosenHref !== null) navigate(chosenHref);
  chosenHref = null;
}

export function SearchPalette() {
  useShortcut(":", "search everything", openSearch);
  useShortcut("Ctrl+k", "search everything", openSearch);
  // It is not open for the next account.
  useEffect(() => closeSearch, []);
  return (
    <Dialog title="Search" isOpen={isSearchOpen.value} onClose={leaveSearch} class="search-dialog">
      <Search />
    </Dialog>
  );
}

function Search() {
  const [text, setText] = useState("");
  const { found, problem, isPending } = useMatches(text);
  const [chosenItem, chooseItem] = useState<string | null>(null);
  const [isEnterWaiting, waitForEnter] = useState(false);
  const groups = buildGroups(text, found);
  const items = groups.flatMap((group) => group.items);
  const chosen = placeOfChoice(items, chosenItem);
  const id = useId();
  const list = useChoiceInSight(chosen);
  const open = (item: SearchItem) => {
    chosenHref = item.href;
    closeSearch();
  };
  useEffect(() => {
    if (!isEnterWaiting || isPending) return;
    waitForEnter(false);
    // Where the search fails, somebody has to see it.
    if (items[0] !== undefined && problem === null) open(items[0]);
  });
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const choice = choiceOfKey(event.key, chosen, items.length);
    const item = items[chosen];
    if (choice !== null) chooseItem(items[choice]?.href ?? null);
    // What is first before the answer may not be what is wanted.
    else if (event.key === "Enter" && isPending && chosenItem === null) waitForEnter(true);
    else if (event.key === "Enter" && item !== undefined) open(item);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <input
        type="text"
        class="search-field"
        aria-label="Search"
        placeholder="Name, image, label, address, problem …"
        maxLength={MAXIMUM_CHARACTERS}
        autofocus
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          chooseItem(null);
          waitForEnter(false);
        }}
        onKeyDown={onKeyDown}
        {...comboboxProps(id, chosen, items.length > 0)}
      />
      {problem !== null && <ProblemView problem={problem} title="The search failed" />}
      <div id={id} ref={list} role="listbox" aria-label="Found" class="search-list" hidden={items.length === 0}>
        {groups.map((group) => (
          // biome-ignore lint/a11y/useSemanticElements: A group of options is no group of fields.
          <div key={group.title} role="group" aria-label={group.title}>
            <div class="search-group" aria-hidden="true">
              {group.title}
            </div>
            {group.items.map((item) => {
              const index = items.indexOf(item);
              return (
                <Option key={item.href} list={id} index={index} chosen={chosen} onTake={() => open(item)}>
                  <Found item={item} wanted={text.trim()} />
                </Option>
              );
            })}
          </div>
        ))}
      </div>
      <p class="quiet-text" role="status">
        {describeCount(text, found)}
      </p>
    </>
  );
}

function Found({ item, wanted }: { readonly item: SearchItem; readonly wanted: string }) {
  return (
    <>
      {item.health !== null && <HealthIcon health={item.health} label={healthText(item.health)} />}
      <span class="search-name">
        <Marked text={item.name} wanted={item.health === null ? "" : wanted} />
        {item.place && <bdi class="detail"> {safeText(item.place, 80)}</bdi>}
      </span>
      {item.field && (
        <span class="search-value detail">
          {safeText(item.field, 40)}: <Marked text={item.value} wanted={wanted} />
        </span>
      )}
    </>
  );
}

function Marked({ text, wanted }: { readonly text: string; readonly wanted: string }) {
  const [before, match, after] = splitMatch(safeText(text, 120), wanted);
  return (
    <bdi>
      {before}
      {match && <mark>{match}</mark>}
      {after}
    </bdi>
  );
}

function describeCount(text: string, found: SearchResponse | null): string {
  if (text.trim() === "")
    return "Finds clusters, nodes and pods with the whole text in their name or in any other field.";
  if (found === null) return "Searching…";
  const { totalCount, matches } = found;
  if (totalCount === 0) return "No field contains the whole text.";
  return totalCount > matches.length
    ? `The best ${formatCount(matches.length)} of ${formatCount(totalCount)}. Type more to find others.`
    : `${formatCount(totalCount)} found`;
}

interface Matches {
  /** The last answer; that of a shorter text until the one for this text is there. */
  readonly found: SearchResponse | null;
  readonly problem: Problem | null;
  /** Whether the answer for this text is on its way. */
  readonly isPending: boolean;
}

const NOTHING = { query: "", found: null, problem: null };

function useMatches(text: string): Matches {
  const query = text.trim();
  const [matches, setMatches] = useState<Omit<Matches, "isPending"> & { readonly query: string }>(NOTHING);
  useEffect(() => {
    if (query === "") {
      setMatches(NOTHING);
      return;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      const path = `/search?${new URLSearchParams({ query, limit: String(LIMIT) })}`;
      getJson<SearchResponse>(path, { signal: abort.signal }).then(
        (found) => setMatches({ query, found, problem: null }),
        (error: unknown) => {
          if (abort.signal.aborted || !(error instanceof ProblemError)) return;
          setMatches({ query, found: null, problem: error.problem });
        },
      );
    }, PAUSE_MILLISECONDS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [query]);
  return { ...matches, isPending: query !== matches.query };
}
