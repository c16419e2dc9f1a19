import { useSummary } from "../data/hooks";
import { safeText } from "../format";
import { parameter, setParameters } from "../router";

/** Limits a screen to one cluster: the parameter `cluster` of the address. */
export function ClusterSelect() {
  const { data } = useSummary("clusters");
  const chosen = parameter("cluster");
  const names = data === null ? [] : Array.from({ length: data.count }, (_, row) => data.text("name", row));
  if (chosen !== "" && !names.includes(chosen)) names.unshift(chosen);
  return (
    <label class="cluster-select">
      <span>Cluster</span>
      <select
        value={chosen}
        onChange={(event) => setParameters({ cluster: event.currentTarget.value || undefined, sel: undefined })}
      >
        <option value="">All</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {safeText(name, 60)}
          </option>
        ))}
      </select>
    </label>
  );
}
