/** The earth as it is drawn: outlines of Natural Earth in a projection that keeps areas. */
import { type GeoProjection, geoEqualEarth, geoPath } from "d3-geo";
import { feature } from "topojson-client";
import type { Objects, Topology } from "topojson-specification";
import outlines from "world-atlas/land-110m.json";
import type { Rect, Size } from "../../components/view";

const TOPOLOGY = outlines as unknown as Topology<Objects>;
const MARGIN = 8;

export interface Earth {
  readonly land: Path2D;
  readonly sphere: Path2D;
  readonly project: (longitude: number, latitude: number) => { x: number; y: number };
}

/** Return the earth as large as fits on a canvas of this size. */
export function drawEarth(size: Size): Earth {
  const projection = projectionOf(size);
  const path = geoPath(projection);
  const { land } = TOPOLOGY.objects;
  return {
    land: new Path2D((land && path(feature(TOPOLOGY, land))) ?? ""),
    sphere: new Path2D(path({ type: "Sphere" }) ?? ""),
    project: (longitude, latitude) => project(projection, longitude, latitude),
  };
}

export function projectionOf({ width, height }: Size): GeoProjection {
  return geoEqualEarth().fitExtent(
    [
      [MARGIN, MARGIN],
      [Math.max(MARGIN + 1, width - MARGIN), Math.max(MARGIN + 1, height - MARGIN)],
    ],
    { type: "Sphere" },
  );
}

/** Return the rectangle of the earth on a canvas. */
export function areaOfEarth(size: Size): Rect {
  const [[left, top], [right, bottom]] = geoPath(projectionOf(size)).bounds({ type: "Sphere" });
  return { x: left, y: top, width: right - left, height: bottom - top };
}

export function project(projection: GeoProjection, longitude: number, latitude: number): { x: number; y: number } {
  const [x = 0, y = 0] = projection([longitude, latitude]) ?? [];
  return { x, y };
}
