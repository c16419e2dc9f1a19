/** Sentences that contain names from telemetry: pure values, shown as text and read out as text. */

import { Name } from "../components/name";
import { safeText } from "../format";

/** Words of ours, or a name from telemetry. */
export type Part = string | { readonly name: string };

export type Sentence = readonly Part[];

/** The longest name in a sentence. */
const MAXIMUM_CHARACTERS = 80;

export function sentenceText(sentence: Sentence): string {
  return sentence.map((part) => (typeof part === "string" ? part : safeText(part.name, MAXIMUM_CHARACTERS))).join("");
}

/** "a, b and 3 more". `count` is how many there are if not all are given. */
export function listNames(names: readonly string[], count = names.length, maximum = 3): Sentence {
  const shown = names.slice(0, count <= maximum + 1 ? maximum + 1 : maximum);
  const parts: Part[] = [];
  for (const [index, name] of shown.entries()) {
    if (index > 0) parts.push(index === shown.length - 1 && shown.length === count ? " and " : ", ");
    parts.push({ name });
  }
  if (count > shown.length) parts.push(` and ${(count - shown.length).toLocaleString("en")} more`);
  return parts;
}

export function SentenceView({ sentence }: { readonly sentence: Sentence }) {
  return (
    <>
      {sentence.map((part, index) =>
        typeof part === "string" ? part : <Name key={index} text={part.name} maximum={MAXIMUM_CHARACTERS} />,
      )}
    </>
  );
}
