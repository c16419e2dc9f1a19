/** What the colours and marks of the map mean. */
import { healthText } from "../../components/health";
import { HEALTHS, type Health, toHealth } from "../../data/health";
import { formatCount } from "../../format";
import { shownInstant } from "../../time/shown";
import type { Picture } from "./picture";
import type { Scaled } from "./scales";

export function Legend({ picture }: { readonly picture: Picture }) {
  const { nodeScale, podScale } = picture;
  return (
    <div class="legend">
      {nodeScale && <ScaleLegend subject="Nodes" scale={nodeScale} />}
      {podScale ? <ScaleLegend subject="Pods" scale={podScale} /> : <p>Pods: no colour</p>}
      <p class="legend-marks">
        Marks:
        {HEALTHS.filter((health) => health !== "ok").map((health) => (
          <span key={health} class="legend-item">
            <Mark health={health} /> {healthText(health)}
          </span>
        ))}
        <span class="legend-item">
          <span class="swatch corner" /> a pod has this problem
        </span>
        <span class="legend-item">
          <span class="swatch ghost" /> {shownInstant.value === null ? "no longer there" : "not there at this time"}
        </span>
      </p>
    </div>
  );
}

/** As the painter draws it. */
function Mark({ health }: { readonly health: Health }) {
  return (
    <svg class="map-mark" viewBox="0 0 16 16" aria-hidden="true">
      {health === "failed" && <path d="M3.2 3.2l9.6 9.6M12.8 3.2l-9.6 9.6" />}
      {health === "warning" && <path d="M8 2 14 12.8H2Z" />}
      {health === "unknown" && <circle cx="8" cy="8" r="4.8" />}
    </svg>
  );
}

function ScaleLegend({ subject, scale }: { readonly subject: string; readonly scale: Scaled }) {
  return (
    <p>
      {subject}, {scale.title}:
      {scale.classes.map(({ colour, label }, index) => {
        const count = scale.counts[index] ?? 0;
        const isHealth = (HEALTHS as readonly string[]).includes(label);
        return (
          <span key={label} class={count === 0 ? "legend-item none" : "legend-item"}>
            <span class={`swatch ${colour}`} />
            <bdi>{isHealth ? healthText(toHealth(label)) : label}</bdi> <span class="count">{formatCount(count)}</span>
          </span>
        );
      })}
    </p>
  );
}
