/** What the problems of a pod and its containers mean, and what to look at next. */

import { formatBytes, formatDuration, formatQuantity, safeText } from "../../format";
import { shownNow } from "../../time/shown";
import { type ObjectState, RESTARTS_OFTEN, selectSpecificProblems } from "../object_state";
import { commandFor, type Explanation, explainAlert } from "./explanation";
import { type JsonObject, listField, numberField, textField, timeField } from "./fields";

/** How the previous run of a container ended if nothing was wrong. */
const SUCCESS_REASONS: ReadonlySet<string> = new Set(["Completed", "exited"]);

const NO_IMAGE =
  "The image cannot be pulled. Check its name and tag, the registry, and the pull secret. The events of the pod say why.";

const REASON_ADVICE: Readonly<Record<string, string>> = {
  CrashLoopBackOff:
    "The container exits soon after each start, and Kubernetes waits longer before each restart. " +
    "The log of the previous run says why.",
  Error: "The container has exited with an error. Its log says why.",
  OOMKilled: "The container used more memory than its limit. Raise the limit, or reduce the memory use.",
  ImagePullBackOff: NO_IMAGE,
  ErrImagePull: NO_IMAGE,
  InvalidImageName: "The name of the image is invalid.",
  CreateContainerConfigError:
    "A ConfigMap, a Secret or a key in one of them is missing. The events of the pod name it.",
  CreateContainerError: "The container runtime cannot create the container. The events of the pod say why.",
  RunContainerError: "The container runtime cannot start the container. The events of the pod say why.",
  ContainerCannotRun:
    "The command of the container cannot be run. Check the command and the architecture of the image.",
  DeadlineExceeded: "The job took longer than its activeDeadlineSeconds.",
  Evicted: "The node was short of memory, disk space or process IDs. The controller of the pod starts another pod.",
  NodeLost: "The node no longer responds.",
  NodeAffinity: "The labels of the node no longer match the affinity of the pod.",
  UnexpectedAdmissionError: "The kubelet rejected the pod. The events of the pod say why.",
  ContainerCreating: "The container is being created. If this lasts, a volume or the network is missing.",
  PodInitializing: "An init container has not finished yet.",
  paused: "The container is paused. Unpause it to let it run.",
  restarting: "The container runtime restarts the container again and again. Its log says why.",
  dead: "The container runtime could not remove the container.",
  starting: "The health check of the image has not succeeded yet.",
  unhealthy: "The health check of the image fails. Its output and the log say why.",
};

const EXIT_CODE_ADVICE: Readonly<Record<number, string>> = {
  1: "The program reported an error. Its log says why.",
  125: "The container runtime could not start the container.",
  126: "The command cannot be executed. Check its permissions and the architecture of the image.",
  127: "The command does not exist in the image.",
  134: "The program aborted.",
  137: "The program was killed, often because it used too much memory or did not stop in time.",
  139: "The program accessed invalid memory.",
  143: "The program was asked to stop.",
};

const EXIT_CODE = /^exit code (-?\d+)$/;

/** Explain each problem of a pod that the API names, without those that only follow from others. */
export function explainPod(pod: JsonObject, problems: readonly string[]): Explanation[] {
  const containers = listField(pod, "containers");
  return selectSpecificProblems(problems).flatMap((problem) => {
    const ofPod = explainAlert(pod, problem) ?? explainPhase(pod, problem);
    if (ofPod !== null) return [ofPod];
    const affected = containers.filter((container) => hasProblem(container, problem));
    if (affected.length === 0 || textField(pod, "reason") === problem) return [explainReason(pod, problem, null)];
    return affected.flatMap((container) => explainContainerProblem(pod, container, problem, containers.length > 1));
  });
}

/** Explain each problem of a container that the API names. */
export function explainContainer(pod: JsonObject, container: JsonObject, problems: readonly string[]): Explanation[] {
  return problems.flatMap((problem) => explainContainerProblem(pod, container, problem, false));
}

/** What is said of a pod or container without problems. */
export function describeWell({ health }: ObjectState, phase: string): string {
  return health === "unknown" ? "State unknown" : safeText(phase, 80) || "No problems";
}

function hasProblem(container: JsonObject, problem: string): boolean {
  return [textField(container, "reason"), textField(container, "health"), exitProblem(container)].includes(problem);
}

function exitProblem(container: JsonObject): string {
  return `exit code ${numberField(container, "exitCode")}`;
}

function explainPhase(pod: JsonObject, problem: string): Explanation | null {
  switch (problem) {
    case "Failed":
      return { title: "Failed", advice: "All containers have exited, at least one of them with an error." };
    case "Unknown":
      return { title: "The phase is unknown", advice: "The node of the pod does not respond." };
    case "Pending":
      return explainPending(pod);
    case "not ready":
      return {
        title: "Not ready",
        advice: "The pod is running, but a readiness probe fails: services send it no requests.",
        ...describeCommand(pod),
      };
    case RESTARTS_OFTEN:
      return explainRestarts(pod);
    default:
      return null;
  }
}

function explainPending(pod: JsonObject): Explanation {
  const isScheduled = textField(pod, "node") !== "";
  return {
    title: isScheduled ? "Pending" : "Pending: not on a node",
    advice: isScheduled
      ? "The pod is on a node, but its containers have not started. The events of the pod say why."
      : "No node fits, or the pod has not been scheduled yet. The events of the pod say why.",
    ...describeCommand(pod),
  };
}

/** The pod runs now, but does not stay up: about the container that was restarted most. */
function explainRestarts(pod: JsonObject): Explanation {
  const [worst] = [...listField(pod, "containers")].sort((left, right) => restartsOf(right) - restartsOf(left));
  if (worst === undefined) return { title: "Restarts often" };
  const started = timeField(pod, "startTime") || timeField(worst, "startTime");
  const interval = (shownNow() / 1000 - started) / restartsOf(worst);
  const isOneOfSeveral = listField(pod, "containers").length > 1;
  const every = Number.isFinite(interval) ? `Restarts every ${formatDuration(interval)} on average` : "Restarts often";
  return addHistory(
    {
      title: nameContainer(worst, every, isOneOfSeveral),
      advice: "The container is running now, but does not stay up. The log of the previous run says why.",
      ...logCommand(pod, worst),
    },
    worst,
  );
}

function restartsOf(container: JsonObject): number {
  return numberField(container, "restartCount") || 0;
}

function explainContainerProblem(
  pod: JsonObject,
  container: JsonObject,
  problem: string,
  isOneOfSeveral: boolean,
): Explanation[] {
  const reason = textField(container, "reason");
  const isExit = EXIT_CODE.test(problem);
  // The reason says more than the exit code.
  if (isExit && reason !== "" && !SUCCESS_REASONS.has(reason)) return [];
  const explanation = isExit ? explainExit(pod, container) : explainReason(pod, problem, container);
  const title = nameContainer(container, explanation.title, isOneOfSeveral);
  const isHealth = problem === textField(container, "health");
  return [isHealth ? { ...explanation, title } : addHistory({ ...explanation, title }, container)];
}

function nameContainer(container: JsonObject, title: string, isOneOfSeveral: boolean): string {
  return isOneOfSeveral ? `${safeText(textField(container, "name"), 100)}: ${title}` : title;
}

function explainExit(pod: JsonObject, container: JsonObject): Explanation {
  const exitCode = numberField(container, "exitCode");
  const advice = EXIT_CODE_ADVICE[exitCode];
  return {
    title: `Exit code ${exitCode}`,
    ...(advice !== undefined && { advice }),
    ...logCommand(pod, container),
  };
}

/** How often a container was restarted, and how its previous run ended: that says more than the crash loop itself. */
function addHistory(explanation: Explanation, container: JsonObject): Explanation {
  const restarts = restartsOf(container);
  const last = textField(container, "lastTerminationReason");
  const parts = [explanation.title];
  if (restarts > 0) parts.push(formatQuantity(restarts, "restart"));
  const isKnown = last !== "" && last !== textField(container, "reason") && !SUCCESS_REASONS.has(last);
  if (isKnown) parts.push(`the previous run ended with ${safeText(last, 100)}`);
  const advice = isKnown ? adviceAfter(last, container) : undefined;
  return { ...explanation, title: parts.join(", "), ...(advice !== undefined && { advice }) };
}

/** What the end of the previous run means; "Error" means nothing by itself. */
function adviceAfter(last: string, container: JsonObject): string | undefined {
  if (last === "OOMKilled") return explainLimit(container);
  return last === "Error" ? undefined : REASON_ADVICE[last];
}

function explainLimit(container: JsonObject): string {
  const limit = numberField(container, "memoryLimitBytes");
  const advice = "Raise the limit, or reduce the memory use.";
  return Number.isNaN(limit)
    ? `The container used more memory than it may. ${advice}`
    : `The container used more memory than its limit of ${formatBytes(limit)}. ${advice}`;
}

function explainReason(pod: JsonObject, reason: string, container: JsonObject | null): Explanation {
  const advice = reason === "OOMKilled" && container !== null ? explainLimit(container) : REASON_ADVICE[reason];
  const command = needsEvents(reason) || container === null ? describeCommand(pod) : logCommand(pod, container);
  return { title: safeText(reason, 100), ...(advice !== undefined && { advice }), ...command };
}

/** Reasons for which there is no log, because the container has never run. */
function needsEvents(reason: string): boolean {
  return /Image|Config|Create|Creating|Initializing|Admission|RunContainerError/.test(reason);
}

function describeCommand(pod: JsonObject): { readonly command?: string } {
  const [namespace, name] = [textField(pod, "namespace"), textField(pod, "name")];
  return commandFor([namespace, name], `kubectl describe pod -n ${namespace} ${name}`);
}

function logCommand(pod: JsonObject, container: JsonObject): { readonly command?: string } {
  const [namespace, podName, name] = [
    textField(pod, "namespace"),
    textField(pod, "name"),
    textField(container, "name"),
  ];
  if (namespace === "") return commandFor([name], `docker logs --tail 100 ${name}`);
  const previous = restartsOf(container) > 0 ? " --previous" : "";
  return commandFor([namespace, podName, name], `kubectl logs${previous} -n ${namespace} ${podName} -c ${name}`);
}
