/** The frame around all screens: what the page is, where one is, how old the data are, and what is wrong with them. */

import type { ComponentType } from "preact";
import { useEffect, useErrorBoundary, useLayoutEffect, useRef } from "preact/hooks";
import { authState, signOut } from "./auth/auth";
import { SignIn } from "./auth/sign_in";
import { Announcer, announce } from "./components/announcer";
import { HealthIcon } from "./components/health";
import { Screen } from "./components/screen";
import { EmptyState, FailureTimes, ProblemView } from "./components/states";
import { freshness, outage, type Problem, sharedToken, workerCount } from "./data/client";
import { useNow, useSummary } from "./data/hooks";
import { formatDuration, formatTime, safeText } from "./format";
import { areSingleKeysOn } from "./keyboard";
import { lazy } from "./lazy";
import { address, hrefOf, hrefWith, objectKey, type Route, route, type SimpleScreen, shownTime } from "./router";
import { DetailScreen } from "./screens/detail";
import { KeyboardHelp, KeyboardHelpButton } from "./screens/keyboard_help";
import { SCREENS } from "./screens/list";
import { OverviewScreen } from "./screens/overview";
import { isSearchOpen, SearchPalette } from "./screens/search";
import { TableScreen } from "./screens/tables";
import { useFocusMemory, useScrollMemory } from "./scroll_memory";
import { setTheme, THEMES, theme } from "./theme";
import { shownInstant } from "./time/shown";
import { TimeBar, TimeButton } from "./time/time_bar";

/** After this time without new data, the age is a warning. */
const OLD_SECONDS = 120;

const SIMPLE_SCREENS: Readonly<Record<SimpleScreen, ComponentType>> = {
  overview: OverviewScreen,
  map: lazy(async () => (await import("./screens/map")).MapScreen),
  world: lazy(async () => (await import("./screens/world")).WorldScreen),
  compare: lazy(async () => (await import("./screens/compare")).CompareScreen),
  candidates: lazy(async () => (await import("./screens/candidates")).CandidatesScreen),
  quality: lazy(async () => (await import("./screens/quality")).QualityScreen),
};

export function App() {
  const main = useRef<HTMLElement>(null);
  useScrollMemory(main);
  useFocusMemory(main);
  const { status } = authState.value;
  const hasData = status === "open" || status === "signedIn";
  const account = sharedToken.value?.account;
  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: It is a link within the document, and the focus must follow. */}
      <a class="skip-link" href="#main" onClick={() => main.current?.focus()}>
        Skip to content
      </a>
      <Header hasData={hasData} />
      {hasData && <Banner />}
      {hasData && <TimeBar key={account} />}
      <main id="main" ref={main} tabIndex={-1}>
        {/* Nothing that one account has seen is left for the next one, and no number of a row for the next worker. */}
        {hasData ? <CurrentScreen key={`${workerCount.value} ${account}`} /> : <SignIn />}
      </main>
      {hasData && <SearchPalette key={account} />}
      <KeyboardHelp />
      <Announcer />
    </>
  );
}

function Header({ hasData }: { readonly hasData: boolean }) {
  return (
    <header class="page-header">
      <a class="product" href={hrefOf({ screen: "overview" })}>
        Aggregator
      </a>
      <div class="page-tools">
        {hasData && <DataAge />}
        {hasData && <TimeButton />}
        {hasData && <SearchButton />}
        <ThemeSwitch />
        <KeyboardHelpButton />
        <Account />
      </div>
      {hasData && <Navigation />}
    </header>
  );
}

function Navigation() {
  const here = hrefOfScreen(route.value);
  const navigation = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    // On narrow screens, the navigation scrolls.
    navigation.current?.querySelector("[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
  }, [here]);
  return (
    <nav aria-label="Screens" class="page-navigation" ref={navigation}>
      <ul>
        {SCREENS.map(({ text, route: target }) => {
          const href = hrefOfScreen(target);
          return (
            <li key={text}>
              <a href={href} aria-current={href === here ? "page" : undefined}>
                {text}
              </a>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}

/** Who looks at a past instant and opens the comparison compares with it. */
function hrefOfScreen(target: Route): string {
  return hrefOf(target, target.screen === "compare" ? { from: shownTime.value } : {});
}

function SearchButton() {
  return (
    <button type="button" class="search-button" onClick={() => (isSearchOpen.value = true)}>
      Search {areSingleKeysOn.value && <kbd>:</kbd>}
    </button>
  );
}

/** How old the data are. It is in sight on every screen. */
function DataAge() {
  // Every screen has an age, also one that requests nothing by itself.
  useSummary("clusters");
  const now = useNow();
  const found = freshness.value;
  const isPast = shownInstant.value !== null;
  if (found === null) return <span class="data-age">{!isPast && "No data yet"}</span>;
  const seconds = Math.max(0, (now - found.queriedAt) / 1000);
  return (
    <span class="data-age">
      {!isPast && seconds > OLD_SECONDS && <HealthIcon health="warning" label="Old" />}
      {!isPast && <span title={formatTime(found.queriedAt / 1000)}>{formatDuration(seconds)} old</span>}
      {!found.isComplete && (
        <a href={hrefOf({ screen: "quality" })} class="incomplete">
          <HealthIcon health="warning" /> incomplete
        </a>
      )}
    </span>
  );
}

function ThemeSwitch() {
  return (
    <label class="theme-switch">
      <span class="visually-hidden">Theme</span>
      <select
        value={theme.value}
        onChange={(event) => setTheme(THEMES.find((known) => known === event.currentTarget.value) ?? "auto")}
      >
        {THEMES.map((known) => (
          <option key={known} value={known}>
            {known === "auto" ? "Auto" : known === "light" ? "Light" : "Dark"}
          </option>
        ))}
      </select>
    </label>
  );
}

function Account() {
  const state = authState.value;
  if (state.status !== "signedIn") return null;
  return (
    <span class="account">
      {state.name && <bdi class="account-name">{safeText(state.name, 40)}</bdi>}
      <button type="button" onClick={() => void signOut()}>
        Sign out
      </button>
    </span>
  );
}

/** What keeps the data from being current. */
function Banner() {
  const failure = outage.value;
  const hasFailed = useRef(false);
  useEffect(() => {
    if (hasFailed.current && failure === null) announce("The data is current again.");
    hasFailed.current = failure !== null;
  }, [failure]);
  if (failure === null) return null;
  const { problem } = failure;
  return (
    <div class="banner" role="alert">
      <HealthIcon health="failed" />
      <span>
        <strong>{problem.title}</strong>
        {problem.detail && `: ${safeText(problem.detail, 300).replace(/\.$/, "")}`}. <FailureTimes failure={failure} />
      </span>
    </div>
  );
}

function CurrentScreen() {
  const [error, reset] = useErrorBoundary();
  const here = route.value;
  const current = address.value;
  const timeProblem = useTimeProblem();
  // Another address is another attempt: the navigation must work.
  useLayoutEffect(() => reset(), [current]);
  if (error !== undefined) {
    return (
      <EmptyState title="This screen has failed">
        <p>{error instanceof Error ? error.message : String(error)}</p>
        <button type="button" onClick={reset}>
          Try again
        </button>
      </EmptyState>
    );
  }
  if (timeProblem !== null) return <NoSuchTime problem={timeProblem} />;
  switch (here.screen) {
    case "table":
      return <TableScreen key={here.kind} kind={here.kind} />;
    case "detail":
      return <DetailScreen key={objectKey(here.object)} object={here.object} />;
    case "unknown":
      return (
        <Screen title="Not found">
          <EmptyState title={`No screen at ${safeText(here.path, 200)}`}>
            <a href={hrefOf({ screen: "overview" })}>Overview</a>
          </EmptyState>
        </Screen>
      );
    default: {
      const Simple = SIMPLE_SCREENS[here.screen];
      return <Simple key={here.screen} />;
    }
  }
}

/** Why there is no topology of the instant in the address: it is no time, in the future, or before the data. */
function useTimeProblem(): Problem | null {
  const { failure } = useSummary("clusters");
  return failure?.problem.parameter === "time" ? failure.problem : null;
}

function NoSuchTime({ problem }: { readonly problem: Problem }) {
  return (
    <Screen title="No topology of this time">
      <ProblemView problem={problem} title="The topology of this time cannot be shown">
        <a href={hrefWith({ time: undefined })}>Show what is now</a>
      </ProblemView>
    </Screen>
  );
}
