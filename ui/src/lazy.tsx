import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { fetchConfig } from "./auth/config";
import { EmptyState, Loading } from "./components/states";
import { outage } from "./data/client";
import { loadWhenReachable } from "./data/load";

const PAUSE_MILLISECONDS = 2000;

/** A component whose code is loaded when it is needed first; during an outage, when the gateway answers again. */
export function lazy(load: () => Promise<ComponentType>): ComponentType {
  let loaded: ComponentType | null = null;
  let loading: Promise<ComponentType> | null = null;
  const loadOnce = () => {
    loading ??= loadWhenReachable(load, isReachable, pause, outage.peek() !== null).finally(() => {
      loading = null;
    });
    return loading;
  };
  return function Lazy() {
    const [Found, setFound] = useState<ComponentType | null>(() => loaded);
    const [isMissing, setMissing] = useState(false);
    useEffect(() => {
      if (loaded !== null) return;
      loadOnce().then(
        (component) => {
          loaded = component;
          setFound(() => component);
        },
        () => setMissing(true),
      );
    }, []);
    if (Found !== null) return <Found />;
    if (!isMissing) return <Loading />;
    return (
      // After an upgrade of the gateway, the files of the page have other names.
      <EmptyState title="This part of the page cannot be loaded">
        <button type="button" onClick={() => location.reload()}>
          Reload the page
        </button>
      </EmptyState>
    );
  };
}

function isReachable(): Promise<boolean> {
  return fetchConfig().then(
    () => true,
    () => false,
  );
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
}
