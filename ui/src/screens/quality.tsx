import { Screen } from "../components/screen";
import { EmptyState } from "../components/states";

export function QualityScreen() {
  return (
    <Screen title="Quality">
      <EmptyState title="This screen is not there yet" />
    </Screen>
  );
}
