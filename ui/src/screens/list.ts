/** The screens of the navigation, by name. */

import type { Route } from "../router";

interface NamedScreen {
  readonly text: string;
  readonly route: Route;
}

export const SCREENS: readonly NamedScreen[] = [
  { text: "Overview", route: { screen: "overview" } },
  { text: "Map", route: { screen: "map" } },
  { text: "Clusters", route: { screen: "table", kind: "clusters" } },
  { text: "Nodes", route: { screen: "table", kind: "nodes" } },
  { text: "Pods", route: { screen: "table", kind: "pods" } },
  { text: "Containers", route: { screen: "table", kind: "containers" } },
  { text: "World", route: { screen: "world" } },
  { text: "Compare", route: { screen: "compare" } },
  { text: "Candidates", route: { screen: "candidates" } },
  { text: "Quality", route: { screen: "quality" } },
];
