/** Completions from lists of words. */

import type { Completion } from "../../components/completion_field";
import { quoteValue } from "../filters";

/** More are not read. Somebody types another letter instead. */
export const MAXIMUM_COMPLETIONS = 50;

/** The words that begin with the text, then those that contain it, in upper or lower case; not the text itself. */
export function findWords(words: readonly string[], text: string): string[] {
  const wanted = text.toLowerCase();
  const first: string[] = [];
  const second: string[] = [];
  for (const word of words) {
    if (word === "" || word === text) continue;
    const position = word.toLowerCase().indexOf(wanted);
    if (position === 0) first.push(word);
    else if (position > 0) second.push(word);
  }
  return [...first, ...second].slice(0, MAXIMUM_COMPLETIONS);
}

/** Completions of the item at the cursor in a list separated by commas. Words that the list has are left out. */
export function completeList(words: readonly string[], text: string, cursor: number): Completion[] {
  const before = text.slice(0, cursor);
  const from = startOfItem(before);
  const end = text.indexOf(",", cursor);
  const to = end < 0 ? text.length : end;
  const others = new Set(`${text.slice(0, from)},${text.slice(to)}`.split(",").map((item) => item.trim()));
  const typed = text.slice(from, cursor).replace(/^"|"$/g, "");
  return findWords(words, typed)
    .map((word) => ({ from, to, text: quoteValue(word), label: word }))
    .filter((item) => !others.has(item.text));
}

/** Where the item begins that a text ends with: after the last comma outside of quotes, and white space. */
function startOfItem(text: string): number {
  let start = 0;
  let isQuoted = false;
  for (let index = 0; index < text.length; index += 1) {
    if (text[index] === '"') isQuoted = !isQuoted;
    else if (text[index] === "," && !isQuoted) start = index + 1;
  }
  return start + (/^\s*/.exec(text.slice(start))?.[0].length ?? 0);
}
