import { Screen } from "../components/screen";
import { EmptyState } from "../components/states";

export function WorldScreen() {
  return (
    <Screen title="World">
      <EmptyState title="This screen is not there yet" />
    </Screen>
  );
}
