import assert from "node:assert/strict";
import { test } from "node:test";
import {
  capitalize,
  formatAge,
  formatBytes,
  formatCores,
  formatDuration,
  formatNumber,
  formatQuantity,
  formatRatio,
  formatRecentTime,
  formatTime,
  formatTimestamp,
  formatUsedCores,
  formatZone,
  safeText,
} from "./format";

test("unknown values are empty texts", () => {
  for (const format of [formatBytes, formatCores, formatDuration, formatNumber, formatRatio, formatTimestamp]) {
    assert.equal(format(Number.NaN), "");
  }
  assert.equal(formatAge(Number.NaN, 0), "");
});

test("numbers have three significant digits and thousands have separators", () => {
  assert.deepEqual([0, 0.1234, 1.5, 99.94, 12345].map(formatNumber), ["0", "0.123", "1.5", "99.9", "12,345"]);
});

test("bytes have binary units and never four digits before the unit", () => {
  assert.deepEqual([0, 999, 1000, 1024, 1.5 * 2 ** 30, 1010 * 2 ** 20, 2 ** 62].map(formatBytes), [
    "0 B",
    "999 B",
    "0.977 KiB",
    "1 KiB",
    "1.5 GiB",
    "0.986 GiB",
    "4 EiB",
  ]);
});

test("a ratio that is not nothing is not 0 %, and one that is not full is not 100 %", () => {
  assert.deepEqual([0, 0.001, 0.421, 0.999, 1, 1.5].map(formatRatio), [
    "0 %",
    "<1 %",
    "42 %",
    "99 %",
    "100 %",
    "150 %",
  ]);
});

test("one core is singular", () => {
  assert.deepEqual([1, 0.5, 64].map(formatCores), ["1 core", "0.5 cores", "64 cores"]);
  assert.equal(formatQuantity(1, "node"), "1 node");
  assert.equal(formatQuantity(2000, "node"), "2,000 nodes");
});

test("durations have their largest unit", () => {
  assert.deepEqual([-1, 5.9, 61, 7200, 47 * 3600, 48 * 3600].map(formatDuration), [
    "0 s",
    "5 s",
    "1 min",
    "2 h",
    "47 h",
    "2 d",
  ]);
  assert.equal(formatAge(1000, 1_090_000), "1 min");
});

test("exported times are as in RFC 3339", () => {
  assert.equal(formatTimestamp(1_790_000_000), "2026-09-21T14:13:20.000Z");
});

test("characters that turn text or cannot be seen are shown", () => {
  assert.equal(safeText("abc\u202egnp.exe"), "abc⟨U+202E⟩gnp.exe");
  assert.equal(safeText("a\nb\tc\u0000\u007f"), "a␊b␉c␀␡");
  assert.equal(safeText("\u200b\ufeff\u2028"), "⟨U+200B⟩⟨U+FEFF⟩⟨U+2028⟩");
  assert.equal(safeText("\ud800"), "⟨U+D800⟩");
});

test("ordinary names of any script stay as they are", () => {
  for (const name of ["web-0", "Αθήνα", "שרת", "节点", "<img src=x onerror=alert(1)>"]) {
    assert.equal(safeText(name), name);
  }
});

test("long names are cut between characters, never within one", () => {
  assert.equal(safeText("x".repeat(1000), 10), `${"x".repeat(9)}…`);
  assert.equal(safeText("ab😀cd", 4), "ab…");
  assert.equal(safeText("abcd", 4), "abcd");
});

test("a word that begins a heading has a capital", () => {
  assert.deepEqual(["node", "type", ""].map(capitalize), ["Node", "Type", ""]);
});

test("used cores in a column have three decimals", () => {
  assert.deepEqual([0.05, 0.1234, 12, Number.NaN].map(formatUsedCores), ["0.050", "0.123", "12.000", ""]);
});

test("times are in the zone of the browser, and say which", () => {
  const noon = new Date(2026, 10, 30, 12, 0, 0);
  assert.equal(formatTime(noon.getTime() / 1000), `2026-11-30 12:00:00 ${formatZone(-noon.getTimezoneOffset())}`);
  assert.equal(formatTime(Number.NaN), "");
  assert.deepEqual([0, 60, -300, 330, -210].map(formatZone), ["UTC", "UTC+1", "UTC-5", "UTC+5:30", "UTC-3:30"]);
});

test("a time of today has no date, another one has", () => {
  const noon = new Date(2026, 10, 30, 12, 0, 0).getTime();
  assert.equal(formatRecentTime(noon / 1000 - 60, noon), "11:59:00");
  assert.equal(formatRecentTime(noon / 1000 - 3 * 86_400, noon), "2026-11-27 12:00:00");
});
