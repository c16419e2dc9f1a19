/** Text for values, as people read it. An unknown value, NaN, is an empty text. */

const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Three significant digits, without trailing zeros: 0.12, 3.4, 128, 12,345. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return "";
  const magnitude = Math.abs(value);
  if (magnitude >= 100 || Number.isInteger(value)) return COUNT.format(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

const COUNT = new Intl.NumberFormat("en");

export function formatCount(value: number): string {
  return Number.isNaN(value) ? "" : COUNT.format(value);
}

/** A word as it begins a heading: "Node". */
export function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** "1 node", "1,200 nodes". */
export function formatQuantity(value: number, singular: string, plural = `${singular}s`): string {
  return `${formatCount(value)} ${value === 1 ? singular : plural}`;
}

export function formatBytes(value: number): string {
  if (Number.isNaN(value)) return "";
  let amount = value;
  let unit = 0;
  // 1,000 and not 1,024: "1,010 MiB" takes more room than "0.99 GiB".
  while (Math.abs(amount) >= 1000 && unit < BINARY_UNITS.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${formatNumber(Number(amount.toPrecision(3)))} ${BINARY_UNITS[unit]}`;
}

export function formatBytesPerSecond(value: number): string {
  return Number.isNaN(value) ? "" : `${formatBytes(value)}/s`;
}

export function formatCores(value: number): string {
  if (Number.isNaN(value)) return "";
  const text = formatNumber(value);
  return `${text} ${text === "1" ? "core" : "cores"}`;
}

/** Used cores in a column: to the thousandth, so that the decimal points are below one another. */
export function formatUsedCores(value: number): string {
  return Number.isNaN(value) ? "" : value.toFixed(3);
}

/** A ratio in percent. What is not nothing is not shown as nothing: "<1 %". */
export function formatRatio(ratio: number): string {
  if (Number.isNaN(ratio)) return "";
  if (ratio > 0 && ratio < 0.01) return "<1 %";
  // 99.6 % is not full.
  const percent = ratio < 1 ? Math.min(99, Math.round(ratio * 100)) : Math.round(ratio * 100);
  return `${COUNT.format(percent)} %`;
}

export function formatCelsius(value: number): string {
  return Number.isNaN(value) ? "" : `${Math.round(value)} °C`;
}

/** A duration in its largest unit: "5 s", "3 min", "2 h", "4 d". */
export function formatDuration(seconds: number): string {
  if (Number.isNaN(seconds)) return "";
  const duration = Math.max(0, seconds);
  if (duration < MINUTE) return `${Math.floor(duration)} s`;
  if (duration < HOUR) return `${Math.floor(duration / MINUTE)} min`;
  if (duration < 2 * DAY) return `${Math.floor(duration / HOUR)} h`;
  return `${COUNT.format(Math.floor(duration / DAY))} d`;
}

/** How long ago a time in Unix seconds was. `now` is in milliseconds, as of Date.now(). */
export function formatAge(time: number, now: number): string {
  return Number.isNaN(time) ? "" : formatDuration(now / 1000 - time);
}

/** A time in Unix seconds as date and time in the zone of the browser: 2026-11-30 18:05:40 UTC+1. */
export function formatTime(time: number): string {
  const text = formatLocalTime(time);
  return text && `${text} ${formatZone(-new Date(time * 1000).getTimezoneOffset())}`;
}

/** The zone that is so many minutes ahead of UTC: UTC, UTC+1, UTC-3:30. */
export function formatZone(minutes: number): string {
  if (minutes === 0) return "UTC";
  const distance = Math.abs(minutes);
  const rest = distance % 60;
  return `UTC${minutes < 0 ? "-" : "+"}${Math.floor(distance / 60)}${rest === 0 ? "" : `:${padPart(rest)}`}`;
}

function formatLocalTime(time: number): string {
  const date = new Date(time * 1000);
  if (Number.isNaN(date.getTime())) return "";
  const day = `${date.getFullYear()}-${padPart(date.getMonth() + 1)}-${padPart(date.getDate())}`;
  return `${day} ${padPart(date.getHours())}:${padPart(date.getMinutes())}:${padPart(date.getSeconds())}`;
}

function padPart(part: number): string {
  return String(part).padStart(2, "0");
}

/** A time in Unix seconds where there is no room for the zone: the date only if it is not today. `now` is in milliseconds. */
export function formatRecentTime(time: number, now: number): string {
  const text = formatLocalTime(time);
  return text.slice(0, 10) === formatLocalTime(now / 1000).slice(0, 10) ? text.slice(11) : text;
}

/** A time in Unix seconds as in RFC 3339, for exports. */
export function formatTimestamp(time: number): string {
  const date = new Date(time * 1000);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

// Control, format (direction, zero width), line and paragraph separators, and halves of surrogate pairs.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * A name from telemetry with its invisible characters made visible, and cut to `maximum` characters.
 *
 * Names can contain anything: characters that turn the direction of the text after them, or line ends.
 */
export function safeText(text: string, maximum = Number.POSITIVE_INFINITY): string {
  const cut = text.length > maximum ? `${cutText(text, maximum - 1)}…` : text;
  return cut.replace(INVISIBLE, showCharacter);
}

function cutText(text: string, length: number): string {
  const isHighSurrogate = (text.charCodeAt(length - 1) & 0xfc00) === 0xd800;
  return text.slice(0, isHighSurrogate ? length - 1 : length);
}

function showCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "␡";
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}
