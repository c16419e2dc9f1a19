/** Where a workload fits: a form, and the answer of the gateway, kept current. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { gateway } from "../auth/auth";
import { announce } from "../components/announcer";
import { Screen } from "../components/screen";
import { EmptyState, Loading, ProblemView } from "../components/states";
import { askUntilAnswered, postJson } from "../data/api";
import { sharedToken } from "../data/client";
import { useSummary } from "../data/hooks";
import type { Problem } from "../data/problem";
import { formatCount, formatQuantity } from "../format";
import { address, hrefOf, shownTime } from "../router";
import {
  buildCommand,
  type Candidate,
  type CandidatesResponse,
  type Kept,
  keepRows,
  type RejectedNode,
  weightsOf,
} from "./candidates/answer";
import { QuestionForm } from "./candidates/form";
import {
  buildQuestion,
  type CandidatesRequest,
  FIELD_NAMES,
  type FieldName,
  fieldOfPath,
  REJECTED_LIMIT,
  type Texts,
} from "./candidates/question";
import { CandidateList, RejectedList } from "./candidates/results";
import { CopyButton } from "./detail/parts";

export function CandidatesScreen() {
  const { parameters } = address.value;
  const { texts, question } = useMemo(() => {
    const found = Object.fromEntries(FIELD_NAMES.map((name) => [name, parameters[name] ?? ""]));
    return { texts: found, question: buildQuestion(found) };
  }, [parameters]);
  const rejectedLimit = Number(parameters["rejected"]) || REJECTED_LIMIT;
  const request = question.problems.size > 0 ? null : { ...question.request, rejectedLimit };
  const { shown, problem, showCurrent } = useAnswer(request);
  const problems = new Map(question.problems);
  const field = problem?.kind === "invalid" ? fieldOfPath(problem.parameter ?? "") : null;
  if (field !== null && problem !== null) problems.set(field, describeProblem(problem));
  return (
    <Screen title="Candidates">
      <p class="quiet-text">
        Finds the nodes on which a workload fits. Nothing is scheduled or reserved. Empty fields are ignored.
      </p>
      <div class="candidates">
        <QuestionForm texts={texts} problems={problems} hrefOfTexts={hrefOfTexts} />
        <div class="answer">
          <Answer
            shown={problems.size > 0 ? null : shown}
            isWrong={problems.size > 0}
            problem={field === null ? problem : null}
            showCurrent={showCurrent}
          />
          {request !== null && <Command request={request} />}
        </div>
      </div>
    </Screen>
  );
}

function hrefOfTexts(texts: Texts): string {
  const known = FIELD_NAMES.map((name: FieldName) => [name, texts[name]?.trim()] as const);
  return hrefOf({ screen: "candidates" }, Object.fromEntries(known));
}

function describeProblem({ detail, title, allowed = [], nearest }: Problem): string {
  // The detail names what is similar.
  const words = nearest === undefined && allowed.length > 0 ? `; possible: ${allowed.slice(0, 12).join(", ")}` : "";
  return `${detail || title}${words}`;
}

interface AnswerProps {
  readonly shown: Shown | null;
  readonly isWrong: boolean;
  readonly problem: Problem | null;
  readonly showCurrent: () => void;
}

function Answer({ shown, isWrong, problem, showCurrent }: AnswerProps) {
  if (isWrong) return <p class="quiet-text">Fix the fields with errors to get a result.</p>;
  if (shown === null) {
    return problem === null ? (
      <Loading />
    ) : (
      <ProblemView problem={problem} title="The candidates could not be loaded" />
    );
  }
  const { answer, candidates, rejected, request } = shown;
  const { totals } = answer;
  const isOutdated = candidates.isOutdated || rejected.isOutdated;
  if (Number(totals?.nodes ?? 0) === 0) {
    return (
      <EmptyState title="No nodes">
        <p>The topology has none, or your token gives access to none.</p>
        <a href={hrefOf({ screen: "quality" })}>See what is missing</a>
      </EmptyState>
    );
  }
  return (
    <>
      {problem !== null && <ProblemView problem={problem} title="This result is out of date" />}
      <div class="table-toolbar">
        <h2>
          Fits on {formatCount(Number(totals?.candidates ?? 0))} of {formatQuantity(Number(totals?.nodes ?? 0), "node")}
        </h2>
        {/* What is read does not move: values are current, the order is that of before. */}
        {isOutdated && (
          <span class="outdated">
            The ranking has changed.
            <button type="button" onClick={showCurrent}>
              Show
            </button>
          </span>
        )}
      </div>
      <CandidateList candidates={candidates} answer={answer} weights={weightsOf(request)} />
      <h2>Does not fit on {formatQuantity(Number(totals?.rejected ?? 0), "node")}</h2>
      <RejectedList rejected={rejected} answer={answer} />
    </>
  );
}

function Command({ request }: { readonly request: CandidatesRequest }) {
  const command = buildCommand(location.origin, request, gateway.value?.tokenRequired, shownTime.value);
  return (
    <details>
      <summary>The same as an API request</summary>
      <p class="command">
        <code>{command}</code> <CopyButton text={command} />
      </p>
    </details>
  );
}

interface Shown {
  readonly request: CandidatesRequest;
  /** The request as text: another one is another answer. */
  readonly body: string;
  /** The instant that the answer is about; "" is now. */
  readonly time: string;
  readonly answer: CandidatesResponse;
  readonly candidates: Kept<Candidate>;
  readonly rejected: Kept<RejectedNode>;
}

/** The answer to a request, asked again whenever the topology changes. Null asks nothing. */
function useAnswer(request: CandidatesRequest | null) {
  const body = request === null ? null : JSON.stringify(request);
  const version = useSummary("clusters").data?.version ?? null;
  const tokenId = sharedToken.value?.tokenId;
  const time = shownTime.value;
  const [shown, setShown] = useState<Shown | null>(null);
  const [failed, setFailed] = useState<{
    readonly body: string;
    readonly time: string;
    readonly problem: Problem;
  } | null>(null);
  useEffect(() => {
    if (body === null) return;
    const abort = new AbortController();
    const { signal } = abort;
    const asked = JSON.parse(body) as CandidatesRequest;
    void askUntilAnswered(() => postJson<CandidatesResponse>("/candidates", asked, { signal, time }), {
      signal,
      onAnswer: (answer) => {
        setFailed(null);
        setShown((before) => keepAnswer(before, { request: asked, body, time, answer }));
      },
      onProblem: (problem) => setFailed({ body, time, problem }),
    });
    return () => abort.abort();
  }, [body, version, tokenId, time]);
  const isCurrent = shown !== null && shown.body === body && shown.time === time;
  const count = isCurrent ? shown.answer.totals?.candidates : undefined;
  useEffect(() => {
    if (count !== undefined) announce(`The workload fits on ${formatQuantity(Number(count), "node")}.`);
  }, [body, count]);
  const showCurrent = () => setShown((now) => now && keepAnswer(null, now));
  const isFailed = failed !== null && failed.body === body && failed.time === time;
  return { shown: isCurrent ? shown : null, problem: isFailed ? failed.problem : null, showCurrent };
}

function keepAnswer(
  before: Shown | null,
  { request, body, time, answer }: Omit<Shown, "candidates" | "rejected">,
): Shown {
  const kept = before?.body === body && before.time === time ? before : null;
  return {
    request,
    body,
    time,
    answer,
    candidates: keepRows(kept?.candidates ?? null, answer.candidates ?? []),
    rejected: keepRows(kept?.rejected ?? null, answer.rejected ?? []),
  };
}
