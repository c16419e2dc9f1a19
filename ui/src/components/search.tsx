/** Search over everything known. */

import { signal } from "@preact/signals";
import { Dialog } from "./dialog";

export const isSearchOpen = signal(false);

export function SearchPalette() {
  return (
    <Dialog title="Search" isOpen={isSearchOpen.value} onClose={() => (isSearchOpen.value = false)}>
      <p>Not there yet.</p>
    </Dialog>
  );
}
