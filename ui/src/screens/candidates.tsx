import { Screen } from "../components/screen";
import { EmptyState } from "../components/states";

export function CandidatesScreen() {
  return (
    <Screen title="Candidates">
      <EmptyState title="This screen is not there yet" />
    </Screen>
  );
}
