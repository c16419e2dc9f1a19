import { Screen } from "../components/screen";
import { EmptyState } from "../components/states";

export function OverviewScreen() {
  return (
    <Screen title="Overview">
      <EmptyState title="This screen is not there yet" />
    </Screen>
  );
}
