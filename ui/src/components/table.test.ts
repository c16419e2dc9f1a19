import assert from "node:assert/strict";
import { test } from "node:test";
import type { ColumnResponse } from "../data/columns";
import { decodeSummary } from "../data/columns";
import { formatSort } from "../data/order";
import { Summary } from "../data/summary";
import { formatCsvLine } from "./export";
import { keepRows, mixRows, orderRows } from "./stable_rows";
import { chooseColumns, chooseSort, textColumn } from "./table_columns";

function summaryOf(revision: number, names: readonly string[], ids: readonly number[]): Summary {
  const columns: Record<string, ColumnResponse> = { name: { values: [...names] } };
  const decoded = decodeSummary({ version: `v${revision}`, totalCount: names.length, columns });
  return new Summary("clusters", { revision, columns: decoded, ids: Uint32Array.from(ids) });
}

const describe = (summary: Summary, row: number) => ({ name: summary.text("name", row), href: `/ui/clusters/${row}` });
const orderOf = (revision: number, ...rows: number[]) => ({ revision, rows: Uint32Array.from(rows) });

const NOW = 1_000_000;
const FIRST = orderRows(summaryOf(1, ["a", "b", "c"], [0, 1, 2]), orderOf(1, 2, 0, 1));

test("rows are in the order of the worker", () => {
  assert.deepEqual([...FIRST.rows], [2, 0, 1]);
  assert.equal(FIRST.isOutdated, false);
});

test("rows that are read stay at their places when the data move", () => {
  const next = summaryOf(2, ["c", "b", "a"], [2, 1, 0]);
  const kept = keepRows(FIRST, next, orderOf(2, 0, 1, 2), describe, NOW);
  assert.deepEqual(
    [...kept.rows].map((row) => next.text("name", row)),
    ["c", "a", "b"],
  );
  assert.equal(kept.isOutdated, true);
  assert.equal(keepRows(FIRST, next, orderOf(2, 0, 2, 1), describe, NOW).isOutdated, false);
});

test("an object that is gone keeps its row and its name until the rows are sorted again", () => {
  const kept = keepRows(FIRST, summaryOf(2, ["b", "c"], [1, 2]), null, describe, NOW);
  assert.deepEqual([...kept.rows], [1, -1, 0]);
  assert.deepEqual(kept.gone.get(0), { name: "a", href: "/ui/clusters/0", since: NOW });
  const later = keepRows(kept, summaryOf(3, ["c"], [2]), null, describe, NOW);
  assert.deepEqual(
    [...later.gone.values()].map(({ name }) => name),
    ["a", "b"],
  );
});

test("an object that comes back has its row again", () => {
  const kept = keepRows(FIRST, summaryOf(2, ["b", "c"], [1, 2]), null, describe, NOW);
  const back = keepRows(kept, summaryOf(3, ["a", "b", "c"], [0, 1, 2]), null, describe, NOW);
  assert.deepEqual([...back.rows], [2, 0, 1]);
  assert.equal(back.gone.size, 0);
  assert.equal(back.isOutdated, false);
});

test("new objects are counted, not shown", () => {
  const kept = keepRows(FIRST, summaryOf(2, ["d", "e", "c", "b"], [3, 4, 2, 1]), null, describe, NOW);
  assert.equal(kept.newCount, 2);
  assert.equal(kept.gone.size, 1);
  assert.equal(kept.rows.length, 3);
});

test("an object that is gone stays for a minute below the row that it was below, although the order is another one", () => {
  const next = summaryOf(2, ["a", "c", "d"], [0, 2, 3]);
  const mixed = mixRows(FIRST, next, orderOf(2, 2, 0, 1), describe, NOW);
  assert.deepEqual([...mixed.ids], [3, 0, 1, 2]);
  assert.deepEqual([...mixed.rows], [2, 0, -1, 1]);
  assert.equal(mixed.gone.get(1)?.name, "b");
  const later = summaryOf(3, ["a", "c", "d"], [0, 2, 3]);
  assert.equal(mixRows(mixed, later, orderOf(3, 0, 1, 2), describe, NOW + 59_000).gone.size, 1);
  assert.deepEqual([...mixRows(mixed, later, orderOf(3, 0, 1, 2), describe, NOW + 60_000).ids], [0, 2, 3]);
});

test("objects that are gone from the start of the table stay there, one below the other", () => {
  const mixed = mixRows(FIRST, summaryOf(2, ["b"], [1]), orderOf(2, 0), describe, NOW);
  assert.deepEqual([...mixed.ids], [2, 0, 1]);
});

test("of very many objects that are gone at once, none keeps its place", () => {
  const ids = Array.from({ length: 1002 }, (_, id) => id);
  const all = summaryOf(
    1,
    ids.map((id) => `n${id}`),
    ids,
  );
  const before = orderRows(all, orderOf(1, ...ids));
  const placesAfter = (left: number) => {
    const next = summaryOf(2, ids.slice(0, left).map(String), ids.slice(0, left));
    return mixRows(before, next, orderOf(2, ...ids.slice(0, left)), describe, NOW).ids.length;
  };
  assert.equal(placesAfter(2), 1002);
  assert.equal(placesAfter(1), 1);
});

test("texts that spreadsheets would run are only text in CSV", () => {
  assert.equal(formatCsvLine(["=1+1", "+x", "-x", "@x", "\tx"]), "'=1+1,'+x,'-x,'@x,'\tx\r\n");
  assert.equal(formatCsvLine([-1.5, 3, null, true]), "-1.5,3,,true\r\n");
});

test("texts with separators, quotes and line ends stay one cell of CSV", () => {
  assert.equal(formatCsvLine(["a,b", 'say "x"', "two\nlines"]), '"a,b","say ""x""","two\nlines"\r\n');
  assert.equal(formatCsvLine(['=cmd|"x"']), `"'=cmd|""x"""\r\n`);
});

test("the columns are those of the address, in the order of the table, and always with the first one", () => {
  const columns = [textColumn("name", "Name"), textColumn("a", "A"), textColumn("b", "B", { isOptional: true })];
  const namesOf = (chosen: string) => chooseColumns(columns, chosen).map(({ name }) => name);
  assert.deepEqual(namesOf(""), ["name", "a"]);
  assert.deepEqual(namesOf("b,a"), ["name", "a", "b"]);
});

test("names of no column in the address are ignored, and nothing but such names is the default", () => {
  const columns = [
    textColumn("name", "Name"),
    textColumn("pods", "Pods"),
    textColumn("type", "Type", { isOptional: true }),
  ];
  const shown = (chosen: string) => chooseColumns(columns, chosen).map(({ name }) => name);
  assert.deepEqual(shown("speed"), ["name", "pods"]);
  assert.deepEqual(shown("speed,type"), ["name", "type"]);
  const sort = (chosen: string) => formatSort(chooseSort(columns, chosen, "name"));
  assert.equal(sort("constructor,-speed"), "name");
  assert.equal(sort("constructor,-pods"), "-pods");
  assert.equal(sort(""), "name");
});
