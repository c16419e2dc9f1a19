/** Server-sent events, read from the bytes of a response as they come. */

export interface ServerEvent {
  readonly name: string;
  readonly id: string;
  readonly data: string;
}

/** A CR at the end of a fragment may be half of a line end. */
const LINE_END = /\r\n|\n|\r(?!$)/;

/** Splits bytes into events. The bytes may come in any fragments. */
export class EventParser {
  readonly #decoder = new TextDecoder();
  #rest = "";
  #fields = new Map<string, string>();

  /** Return the events that these bytes complete. */
  push(bytes: Uint8Array): ServerEvent[] {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split(LINE_END);
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => (line === "" ? this.#finish() : this.#read(line)));
  }

  #read(line: string): [] {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    const known = this.#fields.get(name);
    this.#fields.set(name, name === "data" && known !== undefined ? `${known}\n${value}` : value);
    return [];
  }

  /** The event whose last line was read. One without data is ignored, such as a comment of a proxy. */
  #finish(): ServerEvent[] {
    const fields = this.#fields;
    this.#fields = new Map();
    const data = fields.get("data");
    if (data === undefined) return [];
    return [{ name: fields.get("event") ?? "message", id: fields.get("id") ?? "", data }];
  }
}
