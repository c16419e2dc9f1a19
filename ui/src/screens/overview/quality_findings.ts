/** What the gateway says of its own data: failed refreshes and queries, contradictions, what it cannot place. */

import { formatCount, formatQuantity } from "../../format";
import { hrefOf } from "../../router";
import type { Contradiction, Quality, UnplacedObjects, UnplacedTarget } from "../quality/document";
import { listNames, type Part, type Sentence } from "../sentence";
import { type Finding, type FindingHealth, GROUP_SIZE, RANKS } from "./finding";

export function findQualityFindings(quality: Quality): Finding[] {
  return [
    ...describeFailure(quality),
    ...describeVanished(quality.vanished ?? []),
    ...describeQueries(quality),
    ...describeContradictions(quality.contradictions ?? []),
    ...describeTargets(quality.unplacedTargets ?? []),
    ...(quality.unplacedObjects ?? []).map(describeObjects),
  ];
}

function createFinding(
  key: string,
  health: FindingHealth,
  rank: number,
  count: number,
  title: Sentence,
  detail: Sentence,
): Finding {
  return { key, health, rank, count, title, detail, href: hrefOf({ screen: "quality" }) };
}

function describeFailure({ failure }: Quality): Finding[] {
  if (!failure) return [];
  const title = ["The last refresh has failed: this is the previous topology"];
  return [createFinding("refresh", "failed", RANKS.refresh, 1, title, [{ name: failure }])];
}

function describeVanished(texts: readonly string[]): Finding[] {
  if (texts.length > GROUP_SIZE) {
    const title = [`${formatCount(texts.length)} clusters and nodes have vanished`];
    return [createFinding("vanished", "warning", RANKS.vanished, texts.length, title, listNames(texts))];
  }
  return texts.map((text) =>
    createFinding(`vanished ${text}`, "warning", RANKS.vanished, 1, ["Vanished: ", { name: text }], []),
  );
}

function describeQueries({ totals, rows = [] }: Quality): Finding[] {
  const count = totals?.failedQueries ?? 0;
  if (count === 0) return [];
  const failed = rows.flatMap(({ name, sources = [] }) =>
    sources.filter(({ result }) => result !== "QUERY_RESULT_OK").map(({ error = "" }) => ({ name, error })),
  );
  const title = [
    `${formatCount(count)} of ${formatQuantity(totals?.queries ?? count, "query", "queries")} to Prometheus failed`,
  ];
  const detail: Part[] = [...listNames([...new Set(failed.map(({ name }) => name))])];
  const error = failed.find((query) => query.error !== "")?.error;
  if (error) detail.push(": ", { name: error });
  return [createFinding("queries", "warning", RANKS.quality, count, title, detail)];
}

function describeContradictions(contradictions: readonly Contradiction[]): Finding[] {
  const [first] = contradictions;
  if (first === undefined) return [];
  const title = [
    contradictions.length === 1
      ? "Telemetry contradicts itself"
      : `Telemetry contradicts itself about ${formatCount(contradictions.length)} objects`,
  ];
  const detail: Part[] = [{ name: first.object ?? "" }, ` has several values of ${first.field ?? "a field"}: `];
  detail.push(...listNames(first.values ?? []));
  return [createFinding("contradictions", "warning", RANKS.quality, contradictions.length, title, detail)];
}

function describeTargets(targets: readonly UnplacedTarget[]): Finding[] {
  const [first] = targets;
  if (first === undefined) return [];
  const title = [
    `${formatQuantity(targets.length, "scrape target")} ${targets.length === 1 ? "is" : "are"} on an unknown host`,
  ];
  const detail: Part[] = [...listNames(targets.map(({ instance = "", job = "" }) => instance || job))];
  if (first.reason) detail.push(": ", { name: first.reason });
  return [createFinding("targets", "warning", RANKS.quality, targets.length, title, detail)];
}

function describeObjects({ kind = "objects", reason = "", objects = 0 }: UnplacedObjects): Finding {
  const noun = kind.replace(/s$/, "");
  const title = [`${formatQuantity(objects, noun)} ${objects === 1 ? "is" : "are"} not in the topology`];
  const detail = reason === "" ? [] : [{ name: reason }];
  return createFinding(`objects ${kind} ${reason}`, "warning", RANKS.quality, objects, title, detail);
}
