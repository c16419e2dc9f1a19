import assert from "node:assert/strict";
import { test } from "node:test";
import { EventParser, type ServerEvent } from "./event_parser";

const STREAM = [
  'event: completeness\ndata: {"complete":true}\n\n',
  ": a comment of a proxy\n\n",
  'event: changes\nid: 9b1c\ndata: {"name":"smörgås 🙂"}\n\n',
  "data:first\ndata:second\n\n",
].join("");

const EVENTS: readonly ServerEvent[] = [
  { name: "completeness", id: "", data: '{"complete":true}' },
  { name: "changes", id: "9b1c", data: '{"name":"smörgås 🙂"}' },
  { name: "message", id: "", data: "first\nsecond" },
];

function parse(...fragments: readonly Uint8Array[]): ServerEvent[] {
  const parser = new EventParser();
  return fragments.flatMap((fragment) => parser.push(fragment));
}

test("events are the same wherever the stream is split, also within a character", () => {
  const bytes = new TextEncoder().encode(STREAM);
  for (let place = 0; place <= bytes.length; place += 1) {
    assert.deepEqual(parse(bytes.slice(0, place), bytes.slice(place)), EVENTS, `split at byte ${place}`);
  }
  assert.deepEqual(parse(...Array.from(bytes, (byte) => Uint8Array.of(byte))), EVENTS);
});

test("a line may end with CR and LF, in one fragment or in two", () => {
  const bytes = new TextEncoder().encode(STREAM.replaceAll("\n", "\r\n"));
  for (let place = 0; place <= bytes.length; place += 1) {
    assert.deepEqual(parse(bytes.slice(0, place), bytes.slice(place)), EVENTS, `split at byte ${place}`);
  }
});

test("an unfinished event is not returned", () => {
  assert.deepEqual(parse(new TextEncoder().encode("event: bookmark\nid: 1\ndata: {}\n")), []);
});
