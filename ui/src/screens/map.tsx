import { Screen } from "../components/screen";
import { EmptyState } from "../components/states";

export function MapScreen() {
  return (
    <Screen title="Map">
      <EmptyState title="This screen is not there yet" />
    </Screen>
  );
}
