/** Some rows of a summary as a plain table: the pods of a node, the nodes of a cluster. */

import { HealthBadge } from "../components/health";
import { Name, ObjectLink } from "../components/name";
import { toHealth } from "../data/health";
import type { Summary } from "../data/summary";
import { formatAge, formatBytes, formatCount, formatQuantity, formatUsedCores, safeText } from "../format";
import { shownNow } from "../time/shown";
import { healthCodes } from "./health_codes";
import { objectOfRow } from "./objects";
import { PlainTable } from "./plain_table";
import { PercentBar } from "./usage_bar";

/** More rows are on the screens of tables. */
const MAXIMUM_ROWS = 100;

interface SummaryTableProps {
  readonly summary: Summary;
  /** For those who do not see what is around the table. */
  readonly caption: string;
  /** Where all rows are. */
  readonly href: string;
}

/** The rows of a summary, those with problems first. */
export function worstRows(summary: Summary): number[] {
  const codes = healthCodes(summary);
  return [...codes.keys()].sort((left, right) => (codes[left] ?? 0) - (codes[right] ?? 0) || left - right);
}

export function PodTable({
  summary,
  caption,
  href,
  hasNode = false,
}: SummaryTableProps & { readonly hasNode?: boolean }) {
  const rows = worstRows(summary).slice(0, MAXIMUM_ROWS);
  return (
    <PlainTable
      caption={caption}
      columns={["Name", "Health", ...(hasNode ? ["Node"] : []), "Restarts", "CPU cores", "Memory", "Age"]}
      numbers={["Restarts", "CPU cores", "Memory", "Age"]}
      all={summary.count > rows.length ? { href, text: `All ${formatQuantity(summary.count, "pod")}` } : null}
    >
      {rows.map((row) => (
        <tr key={summary.ids[row]}>
          <th scope="row">
            <ObjectLink object={objectOfRow(summary, row)} />
          </th>
          <td>
            <SummaryHealth summary={summary} row={row} />
          </td>
          {hasNode && (
            <td>
              <Name text={summary.text("node", row)} />
            </td>
          )}
          <td class="number">{formatCount(summary.number("restartCount", row))}</td>
          <td class="number">{formatUsedCores(summary.number("cpuUsageCores", row))}</td>
          <td class="number">{formatBytes(summary.number("memoryBytes", row))}</td>
          <td class="number">{formatAge(summary.number("startTime", row), shownNow())}</td>
        </tr>
      ))}
    </PlainTable>
  );
}

export function NodeTable({ summary, caption, href }: SummaryTableProps) {
  const rows = worstRows(summary).slice(0, MAXIMUM_ROWS);
  return (
    <PlainTable
      caption={caption}
      columns={["Name", "Health", "CPU", "Memory", "Disk", "Pods", "Last seen"]}
      numbers={["Pods", "Last seen"]}
      all={summary.count > rows.length ? { href, text: `All ${formatQuantity(summary.count, "node")}` } : null}
    >
      {rows.map((row) => (
        <tr key={summary.ids[row]}>
          <th scope="row">
            <ObjectLink object={objectOfRow(summary, row)} />
          </th>
          <td>
            <SummaryHealth summary={summary} row={row} />
          </td>
          <td>
            <PercentBar percent={summary.number("cpuUsagePercent", row)} resource="cpu" />
          </td>
          <td>
            <PercentBar percent={summary.number("memoryUsagePercent", row)} resource="memory" />
          </td>
          <td>
            <PercentBar percent={summary.number("filesystemUsagePercent", row)} resource="memory" />
          </td>
          <td class="number">{formatCount(summary.number("podCount", row))}</td>
          <td class="number">{formatAge(summary.number("lastSeenTime", row), shownNow())}</td>
        </tr>
      ))}
    </PlainTable>
  );
}

export function SummaryHealth({ summary, row }: { readonly summary: Summary; readonly row: number }) {
  return (
    <HealthBadge health={toHealth(summary.text("health", row))} text={safeText(summary.text("problems", row), 80)} />
  );
}
