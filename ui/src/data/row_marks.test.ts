import assert from "node:assert/strict";
import { test } from "node:test";
import { type ColumnResponse, decodeSummary } from "./columns";
import { type ComparedRows, findAppearance, findChange, RowMarker, type RowMarks } from "./row_marks";

const NOW = 1_000_000;

interface Pod {
  readonly id: number;
  readonly phase: string | null;
  readonly restarts?: number | null;
  readonly cpu?: number;
}

function podsOf(...pods: readonly Pod[]): ComparedRows {
  // As the gateway sends them: unknown is one of the names.
  const phases = [...new Set(pods.map(({ phase }) => phase))];
  const columns: Record<string, ColumnResponse> = {
    name: { values: pods.map(({ id }) => `pod-${id}`) },
    phase: { names: phases, indexes: pods.map(({ phase }) => phases.indexOf(phase)) },
    restartCount: { values: pods.map(({ restarts = 0 }) => restarts) },
    cpuUsageCores: { values: pods.map(({ cpu = 0 }) => cpu) },
  };
  return {
    columns: decodeSummary({ version: "v", totalCount: pods.length, columns }),
    ids: Uint32Array.from(pods, ({ id }) => id),
  };
}

function compare(before: ComparedRows, after: ComparedRows): RowMarks | undefined {
  return new RowMarker("pods").compare(before, after, NOW);
}

test("a cell that stays unknown is not marked, wherever its place among the texts is", () => {
  const before = podsOf({ id: 7, phase: null }, { id: 3, phase: "Pending" });
  const after = podsOf({ id: 3, phase: "Pending" }, { id: 7, phase: null });
  assert.equal(compare(before, after), undefined);
});

test("a changed cell is marked with the text that it had, wherever its row is", () => {
  const before = podsOf({ id: 7, phase: "Running" }, { id: 3, phase: "Pending" }, { id: 5, phase: null, restarts: 1 });
  const after = podsOf(
    { id: 5, phase: "Running", restarts: 4 },
    { id: 3, phase: "Running" },
    { id: 7, phase: "Running" },
  );
  const marks = compare(before, after) ?? assert.fail("nothing is marked");
  assert.deepEqual(findChange(marks, "pods", "phase", 3), { time: NOW, before: "Pending" });
  assert.deepEqual(findChange(marks, "pods", "phase", 5), { time: NOW, before: "" });
  assert.deepEqual(findChange(marks, "pods", "restartCount", 5), { time: NOW, before: "1" });
  assert.equal(findChange(marks, "pods", "phase", 7), null);
  assert.equal(marks.keys.length, 3);
});

test("a row that was not there is marked as new", () => {
  const marks = compare(podsOf({ id: 1, phase: null }), podsOf({ id: 1, phase: null }, { id: 2, phase: null }));
  assert.ok(marks);
  assert.equal(findAppearance(marks, 2), NOW);
  assert.ok(Number.isNaN(findAppearance(marks, 1)));
});

test("measurements are not marked, nor is what is unknown before and after", () => {
  const before = podsOf({ id: 1, phase: null, restarts: null, cpu: 1 }, { id: 2, phase: "Running" });
  assert.equal(
    compare(before, podsOf({ id: 1, phase: null, restarts: null, cpu: 2 }, { id: 2, phase: "Running" })),
    undefined,
  );
});

test("a column of which nothing was known changes when something becomes known", () => {
  const marks = compare(podsOf({ id: 1, phase: null }), podsOf({ id: 1, phase: "Failed" }));
  assert.equal(marks && findChange(marks, "pods", "phase", 1)?.before, "");
});

test("marks stay for a minute over further answers, and the latest change of a cell counts", () => {
  const marker = new RowMarker("pods");
  const [pending, running, failed] = ["Pending", "Running", "Failed"].map((phase) => podsOf({ id: 1, phase }));
  assert.ok(pending && running && failed);
  marker.compare(pending, running, NOW);
  const kept = marker.compare(running, running, NOW + 30_000);
  assert.deepEqual(kept && findChange(kept, "pods", "phase", 1), { time: NOW, before: "Pending" });
  const latest = marker.compare(running, failed, NOW + 50_000);
  assert.deepEqual(latest && findChange(latest, "pods", "phase", 1), { time: NOW + 50_000, before: "Running" });
  assert.ok(marker.compare(failed, failed, NOW + 100_000));
  assert.equal(marker.compare(failed, failed, NOW + 110_000), undefined);
});

test("of very many marks, only a bounded number is kept and sent", () => {
  const ids = Array.from({ length: 30_000 }, (_, id) => id);
  const marks = compare(podsOf(), podsOf(...ids.map((id) => ({ id, phase: "Running" }))));
  assert.equal(marks?.keys.length, 10_000);
});
