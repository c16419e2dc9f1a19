/** Instants in the address and in fields, and the stretch of time that the slider covers. Times are in Unix seconds. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const RFC_3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+ -]\d\d:\d\d)$/;
const UNIX_SECONDS = /^\d{1,12}(\.\d+)?$/;
const RELATIVE = /^-((\d{1,9}(y|w|d|h|ms|m|s))+)$/;
const UNIT_SECONDS: Readonly<Record<string, number>> = {
  ms: 0.001,
  s: 1,
  m: MINUTE,
  h: HOUR,
  d: DAY,
  w: 7 * DAY,
  y: 365 * DAY,
};
/** Samples of a younger instant may still arrive, as for the gateway. */
const SETTLING_SECONDS = 2 * MINUTE;
/** The last second of the year 9999. */
const LATEST = 253_402_300_799;

/** Parse a time as the API does: in RFC 3339, in Unix seconds, or relative to now, `-1h30m`. NaN if it is none of them. */
export function parseInstant(text: string, now: number): number {
  const time = Math.floor(parseSeconds(text, now));
  return time >= 0 && time <= LATEST ? time : Number.NaN;
}

/** From when on an answer about an instant is final, in milliseconds as of Date.now(); NaN for another text. */
export function settledAt(text: string): number {
  return 1000 * (parseInstant(text, Number.NaN) + SETTLING_SECONDS);
}

function parseSeconds(text: string, now: number): number {
  if (UNIX_SECONDS.test(text)) return Number(text);
  const [, duration] = text.match(RELATIVE) ?? [];
  if (duration !== undefined) {
    const parts = duration.matchAll(/(\d+)([a-z]+)/g);
    return (
      now - [...parts].reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNIT_SECONDS[unit ?? ""] ?? 0), 0)
    );
  }
  const [, day, time, , zone] = text.match(RFC_3339) ?? [];
  if (day === undefined || time === undefined || zone === undefined) return Number.NaN;
  // In a query, a plus that is not encoded is a space.
  return Date.parse(`${day}T${time}${zone.toUpperCase().replace(" ", "+")}`) / 1000;
}

/** An instant for the address: 2026-11-30T18:05:40Z. */
export function formatInstant(time: number): string {
  return new Date(time * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}

/** A time as the address has it, null if it is no time: the gateway says what is wrong with it. */
export function canonicalInstant(text: string, now: number): string | null {
  const time = parseInstant(text, now);
  return Number.isNaN(time) ? null : formatInstant(time);
}

/** How much time the slider covers, and how far one step of it goes. */
export interface Span {
  /** As in the address. */
  readonly name: string;
  readonly label: string;
  readonly seconds: number;
  readonly stepSeconds: number;
}

const SHORTEST: Span = { name: "1h", label: "1 hour", seconds: HOUR, stepSeconds: MINUTE };
const LONGEST: Span = { name: "30d", label: "30 days", seconds: 30 * DAY, stepSeconds: 6 * HOUR };
export const SPANS: readonly Span[] = [
  SHORTEST,
  { name: "6h", label: "6 hours", seconds: 6 * HOUR, stepSeconds: 5 * MINUTE },
  { name: "1d", label: "1 day", seconds: DAY, stepSeconds: 15 * MINUTE },
  { name: "7d", label: "7 days", seconds: 7 * DAY, stepSeconds: 2 * HOUR },
  LONGEST,
];

/** The span with this name, otherwise the shortest one from a time until now. `time` is null for now. */
export function chooseSpan(name: string, time: number | null, now: number): Span {
  const named = SPANS.find((span) => span.name === name);
  return named ?? SPANS.find(({ seconds }) => now - (time ?? now) <= seconds) ?? LONGEST;
}

/** What the slider covers. */
export interface TimeWindow {
  readonly start: number;
  readonly end: number;
  /** Whether its end is now. */
  readonly isLive: boolean;
}

/**
 * The stretch of time that the slider covers: until now if the time is in it, otherwise around the time. It depends on
 * nothing else, so that an address always shows the same.
 */
export function chooseWindow({ seconds, stepSeconds }: Span, time: number | null, now: number): TimeWindow {
  const end = Math.ceil(now / stepSeconds) * stepSeconds;
  if (time === null || time >= end - seconds) return { start: end - seconds, end, isLive: true };
  // Windows begin every half of their length, a quarter before the times that they are for.
  const half = seconds / 2;
  const start = Math.floor(time / half) * half - half / 2;
  if (start + seconds >= end) return { start: end - seconds, end, isLive: true };
  return { start, end: start + seconds, isLive: false };
}

/** The time one step earlier (-1) or later (1), on a multiple of steps; null for now. */
export function stepFrom(time: number | null, direction: -1 | 1, { stepSeconds }: Span, now: number): number | null {
  const steps = (time ?? now) / stepSeconds;
  const next = (direction < 0 ? Math.ceil(steps) - 1 : Math.floor(steps) + 1) * stepSeconds;
  return next >= now ? null : next;
}

/** A time for a field of the type `datetime-local`, which has the zone of the browser. */
export function formatLocal(time: number): string {
  const date = new Date(time * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** The time in a field of the type `datetime-local`, NaN if it is empty. */
export function parseLocal(text: string): number {
  return Math.floor(Date.parse(text) / 1000);
}
