/** Which instant the page shows, and the way to others: a slider, steps, and a field for an exact time. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { announce } from "../components/announcer";
import { isLoading } from "../data/client";
import { useNow } from "../data/hooks";
import { formatDuration, formatQuantity, formatRecentTime, formatTime } from "../format";
import { useShortcut } from "../keyboard";
import { hrefOf, hrefWith, parameter, route, setParameters, shownTime } from "../router";
import {
  chooseSpan,
  chooseWindow,
  formatInstant,
  formatLocal,
  parseLocal,
  SPANS,
  type Span,
  stepFrom,
  type TimeWindow,
} from "./instant";
import { findChange, forgetStretches, type KnownStretch, knownStretches } from "./known_changes";
import { shownInstant } from "./shown";
import { useVisitedStretches } from "./visited";

/** A slider that is moved on before this time asks for nothing. */
const SETTLED_MILLISECONDS = 250;

/** In the header: shows the slider. */
export function TimeButton() {
  const isShown = isBarShown();
  useShortcut(hasTime() ? "t" : null, "another time", () => setParameters(isShown ? LIVE : OPEN));
  if (isShown || !hasTime()) return null;
  return (
    <a class="time-button" href={hrefWith(OPEN)}>
      Time <kbd>t</kbd>
    </a>
  );
}

const LIVE = { time: undefined, span: undefined };
const OPEN = { span: "1h" };

function isBarShown(): boolean {
  return hasTime() && (shownTime.value !== "" || parameter("span") !== "");
}

/** The comparison has two instants of its own. */
function hasTime(): boolean {
  return route.value.screen !== "compare";
}

export function TimeBar() {
  useEffect(() => forgetStretches, []);
  useAnnouncedTime();
  return isBarShown() ? <ShownTimeBar /> : null;
}

function useAnnouncedTime(): void {
  const time = shownInstant.value;
  const before = useRef(time);
  useEffect(() => {
    if (before.current === time) return;
    before.current = time;
    announce(time === null ? "The page shows what is now." : `The page shows what was at ${formatTime(time)}.`);
  }, [time]);
}

function ShownTimeBar() {
  const now = useNow(5) / 1000;
  const time = shownInstant.value;
  const span = chooseSpan(parameter("span"), time, now);
  const stretch = useVisitedStretches(time);
  const known = knownStretches.value;
  const before = findChange(known, time ?? now, -1);
  const after = time === null ? null : findChange(known, time, 1);
  useShortcut(",", "an earlier time", () => showTime(stepFrom(time, -1, span, now)));
  useShortcut(".", "a later time", () => showTime(stepFrom(time, 1, span, now)));
  return (
    <section class={time === null ? "time-bar" : "time-bar past"} aria-label="Time">
      <div class="time-state">
        <ShownState now={now} time={time} />
        {time !== null && isLoading.value && <span class="quiet-text">Loading…</span>}
        <span class="spring" />
        {time !== null && (
          <a href={hrefOf({ screen: "compare" }, { from: formatInstant(time) })}>What has changed since?</a>
        )}
        <a class="button" href={hrefWith(LIVE)}>
          {shownTime.value === "" ? "Close" : "Back to live"}
        </a>
      </div>
      <TimeSlider time={time} span={span} now={now} known={known} />
      <div class="time-tools">
        <SpanSelect span={span} />
        <ExactTime time={time ?? Math.floor(now)} now={now} />
        <span class="time-changes">
          <ChangeButton label="Previous change" target={before} />
          <ChangeButton label="Next change" target={after} />
        </span>
        {stretch !== null && <VisitedChanges stretch={stretch} />}
      </div>
    </section>
  );
}

function ShownState({ time, now }: { readonly time: number | null; readonly now: number }) {
  if (shownTime.value === "") return <strong>Live</strong>;
  if (time === null) return <strong>The time in the address is not valid</strong>;
  return (
    <span>
      <strong>
        As it was at <time dateTime={formatInstant(time)}>{formatTime(time)}</time>
      </strong>{" "}
      <span class="quiet-text">{time <= now ? `${formatDuration(now - time)} ago` : "in the future"}</span>
    </span>
  );
}

/** Show another instant; null is now. The first one adds an entry to the history, others replace it. */
function showTime(time: number | null): void {
  const isMoved = shownTime.peek() !== "";
  // The slider stays as it is while one moves through time.
  setParameters({ time: time === null ? undefined : formatInstant(time) }, { replace: isMoved && time !== null });
}

interface TimeSliderProps {
  readonly time: number | null;
  readonly span: Span;
  readonly now: number;
  readonly known: readonly KnownStretch[];
}

function TimeSlider({ time, span, now, known }: TimeSliderProps) {
  const [draft, setDraft] = useState<number | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const window = chooseWindow(span, time, now);
  const value = draft ?? Math.min(time ?? window.end, window.end);
  const isLive = window.isLive && value >= window.end;
  useEffect(() => setDraft(null), [time]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const move = (moved: number) => {
    setDraft(moved);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      setDraft(null);
      showTime(moved >= now ? null : moved);
    }, SETTLED_MILLISECONDS);
  };
  const text = isLive ? "now" : formatTime(value);
  return (
    <div class="time-slider">
      <StepButton label="Earlier" sign="‹" target={stepFrom(time, -1, span, now)} isDisabled={false} />
      <div class="time-track">
        <input
          type="range"
          aria-label="Time shown"
          aria-valuetext={text}
          min={window.start}
          max={window.end}
          step={span.stepSeconds}
          value={value}
          onInput={({ currentTarget }) => move(currentTarget.valueAsNumber)}
        />
        <Marks known={known} window={window} />
        <div class="time-ends quiet-text">
          <span>{formatRecentTime(window.start, now * 1000)}</span>
          {draft !== null && <strong>{text}</strong>}
          <span>{window.isLive ? "now" : formatRecentTime(window.end, now * 1000)}</span>
        </div>
      </div>
      <StepButton label="Later" sign="›" target={stepFrom(time, 1, span, now)} isDisabled={time === null} />
    </div>
  );
}

interface StepButtonProps {
  readonly label: string;
  readonly sign: string;
  readonly target: number | null;
  readonly isDisabled: boolean;
}

function StepButton({ label, sign, target, isDisabled }: StepButtonProps) {
  return (
    <button type="button" aria-label={label} title={label} disabled={isDisabled} onClick={() => showTime(target)}>
      <span aria-hidden="true">{sign}</span>
    </button>
  );
}

/** Where the structure changed and where it did not, as far as the page knows. The buttons lead to the same changes. */
function Marks({ known, window }: { readonly known: readonly KnownStretch[]; readonly window: TimeWindow }) {
  const length = window.end - window.start;
  const inSight = known.filter(({ from, to }) => to > window.start && from < window.end);
  const percent = (time: number) => (100 * Math.min(length, Math.max(0, time - window.start))) / length;
  return (
    <div class="time-marks" aria-hidden="true">
      {inSight.map(({ from, to, changeCount }) => (
        <span
          key={`${from} ${to}`}
          class={changeCount > 0 ? "changed" : "quiet"}
          title={describeStretch({ from, to, changeCount })}
          style={{ left: `${percent(from)}%`, width: `${percent(to) - percent(from)}%` }}
        />
      ))}
    </div>
  );
}

function describeStretch({ from, to, changeCount }: KnownStretch): string {
  const changes = changeCount === 0 ? "No change of structure" : formatQuantity(changeCount, "change", "changes");
  return `${changes} from ${formatTime(from)} to ${formatTime(to).slice(11)}`;
}

function SpanSelect({ span }: { readonly span: Span }) {
  return (
    <label class="choice">
      Range
      <select
        value={span.name}
        onChange={({ currentTarget }) => setParameters({ span: currentTarget.value }, { replace: true })}
      >
        {SPANS.map(({ name, label }) => (
          <option key={name} value={name}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A field for a time to the second, in the zone of the browser. */
function ExactTime({ time, now }: { readonly time: number; readonly now: number }) {
  const id = useId();
  const [text, setText] = useState<string | null>(null);
  const shown = formatLocal(time);
  const isFuture = text !== null && parseLocal(text) > now;
  const isShowable = text !== null && text !== "" && text !== shown && !isFuture;
  return (
    <form
      class="exact-time"
      onSubmit={(event) => {
        event.preventDefault();
        if (isShowable) showTime(parseLocal(text));
        setText(null);
      }}
    >
      <label for={id}>Exact time</label>
      <input
        id={id}
        type="datetime-local"
        step={1}
        max={formatLocal(now)}
        aria-invalid={isFuture || undefined}
        value={text ?? shown}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
      <button type="submit" disabled={!isShowable}>
        Show
      </button>
    </form>
  );
}

function ChangeButton({ label, target }: { readonly label: string; readonly target: number | null }) {
  return (
    <button type="button" disabled={target === null} onClick={() => showTime(target)}>
      {label}
    </button>
  );
}

/** What the last step went across. */
function VisitedChanges({ stretch }: { readonly stretch: KnownStretch }) {
  const { from, to, changeCount } = stretch;
  const range = `between ${formatTime(from).slice(11)} and ${formatTime(to).slice(11)}`;
  if (changeCount === 0) return <span class="quiet-text">No change of structure {range}</span>;
  const href = hrefOf({ screen: "compare" }, { from: formatInstant(from), to: formatInstant(to) });
  return (
    <a href={href}>
      {formatQuantity(changeCount, "change")} {range}
    </a>
  );
}
