/** What is wrong with a pod and its containers, why, and what to look at next. */

import type { Health } from "../../components/health";
import { formatBytes, formatDuration, formatQuantity, safeText } from "../../format";
import { restartInterval } from "../restarts";
import { type Cause, commandFor, findAlertCauses, isFailed } from "./causes";
import { type JsonObject, listField, numberField, textField, timeField } from "./fields";

const SUCCESS_REASONS: ReadonlySet<string> = new Set(["Completed", "exited"]);
const START_REASONS: ReadonlySet<string> = new Set(["ContainerCreating", "PodInitializing"]);
const REASON_ADVICE: Readonly<Record<string, string>> = {
  CrashLoopBackOff:
    "The container ends soon after each start, and Kubernetes waits longer before each restart. " +
    "The log of its previous run says why.",
  Error: "The container has ended with an error. Its log says why.",
  OOMKilled: "The container used more memory than its limit. Raise the limit, or let it use less.",
  ImagePullBackOff:
    "The image cannot be pulled. Check its name and tag, the registry, and the pull secret. The events of the pod say why.",
  ErrImagePull:
    "The image cannot be pulled. Check its name and tag, the registry, and the pull secret. The events of the pod say why.",
  InvalidImageName: "The name of the image is not valid.",
  CreateContainerConfigError:
    "A ConfigMap, a Secret or a key in one of them is missing. The events of the pod name it.",
  CreateContainerError: "The container runtime cannot create the container. The events of the pod say why.",
  RunContainerError: "The container runtime cannot start the container. The events of the pod say why.",
  ContainerCannotRun: "The command of the container cannot run. Check the command and the architecture of the image.",
  DeadlineExceeded: "The job took longer than its activeDeadlineSeconds.",
  Evicted: "The node was short of memory, disk space or process IDs. Its controller starts another pod.",
  NodeLost: "The node does not answer any longer.",
  NodeAffinity: "The labels of the node do not match the affinity of the pod any longer.",
  UnexpectedAdmissionError: "The kubelet refused the pod. The events of the pod say why.",
  ContainerCreating: "The container is being created. If that lasts, a volume or the network is missing.",
  PodInitializing: "An init container has not finished yet.",
  paused: "The container was paused. It runs on when it is unpaused.",
  restarting: "The container runtime restarts the container again and again. Its log says why.",
  dead: "The container runtime could not remove the container.",
};

const EXIT_CODE_ADVICE: Readonly<Record<number, string>> = {
  1: "The program reported an error. Its log says why.",
  125: "The container runtime could not start the container.",
  126: "The command cannot be executed. Check its permissions and the architecture of the image.",
  127: "The command does not exist in the image.",
  134: "The program aborted.",
  137: "The program was killed: often because it used too much memory, or did not stop in time.",
  139: "The program accessed memory that is not its own.",
  143: "The program was asked to stop.",
};

/** What is wrong with a pod and its containers, most important first. */
export function findPodCauses(pod: JsonObject): Cause[] {
  const containers = listField(pod, "containers");
  const phase = textField(pod, "phase");
  const causes = [
    ...findReasonCauses(pod, textField(pod, "reason")),
    ...containers.flatMap((container) => findContainerCauses(pod, container, containers.length > 1)),
  ];
  if (phase === "Failed" && !causes.some(isFailed)) {
    causes.unshift({
      health: "failed",
      title: "Failed",
      advice: "Its containers have ended, at least one with an error.",
    });
  }
  if (phase === "Unknown") {
    causes.unshift({ health: "failed", title: "The phase is unknown", advice: "Its node does not answer." });
  }
  if (phase === "Pending" && causes.length === 0) causes.push(describePending(pod));
  if (phase === "Running" && pod["isReady"] === false && causes.length === 0) {
    causes.push({
      health: "warning",
      title: "Not ready",
      advice: "The pod runs, but a readiness probe fails: services do not send requests to it.",
      ...describeCommand(pod),
    });
  }
  return [...causes, ...findAlertCauses(pod)].sort((left, right) => Number(isFailed(right)) - Number(isFailed(left)));
}

/** What is said of a pod without causes: that it is well only if something says so, as the tables do. */
export function healthyPod(pod: JsonObject): { readonly health: Health; readonly text: string } {
  const phase = textField(pod, "phase");
  if (phase !== "") return { health: "ok", text: phase };
  const isKnown = listField(pod, "containers").some((container) => textField(container, "state") !== "");
  return isKnown ? { health: "ok", text: "Nothing is wrong" } : { health: "unknown", text: "Its state is not known" };
}

function describePending(pod: JsonObject): Cause {
  const isScheduled = textField(pod, "node") !== "";
  return {
    health: "warning",
    title: isScheduled ? "Pending" : "Pending: not on a node",
    advice: isScheduled
      ? "The pod is on a node, but its containers have not started. The events of the pod say why."
      : "No node fits, or the scheduler has not placed the pod yet. The events of the pod say why.",
    ...describeCommand(pod),
  };
}

/** What is wrong with a container of a pod. */
export function findContainerCauses(pod: JsonObject, container: JsonObject, isOneOfSeveral = true): Cause[] {
  const ofReason = findReasonCauses(pod, textField(container, "reason"), container);
  const causes = [
    ...ofReason,
    ...(ofReason.some(isFailed) ? [] : findExitCauses(pod, container)),
    ...findHealthCauses(pod, container),
  ];
  const [first, ...others] = causes.length > 0 ? causes : findRestartCauses(pod, container);
  if (first === undefined) return [];
  const found = [addHistory(first, container), ...others];
  const name = safeText(textField(container, "name"), 100);
  return isOneOfSeveral ? found.map((cause) => ({ ...cause, title: `${name}: ${cause.title}` })) : found;
}

function findExitCauses(pod: JsonObject, container: JsonObject): Cause[] {
  const exitCode = numberField(container, "exitCode");
  if (exitCode === 0 || Number.isNaN(exitCode)) return [];
  const advice = EXIT_CODE_ADVICE[exitCode];
  const title = `Exit code ${exitCode}`;
  return [{ health: "failed", title, ...(advice !== undefined && { advice }), ...logCommand(pod, container) }];
}

function findHealthCauses(pod: JsonObject, container: JsonObject): Cause[] {
  const health = textField(container, "health");
  if (health === "" || health === "healthy") return [];
  const isStarting = health === "starting";
  return [
    {
      health: isStarting ? "warning" : "failed",
      title: safeText(health, 100),
      advice: isStarting
        ? "The health check of the image has not succeeded yet."
        : "The health check of the image fails. The log and the check itself say why.",
      ...logCommand(pod, container),
    },
  ];
}

/** A container that runs now, but does not stay up. */
function findRestartCauses(pod: JsonObject, container: JsonObject): Cause[] {
  const started = timeField(pod, "startTime") || timeField(container, "startTime");
  const interval = restartInterval(numberField(container, "restartCount"), started, Date.now() / 1000);
  if (Number.isNaN(interval)) return [];
  return [
    {
      health: "warning",
      title: `Restarts every ${formatDuration(interval)} on average`,
      advice: "The container runs now, but does not stay up. The log of its previous run says why.",
      ...logCommand(pod, container),
    },
  ];
}

/** How often a container was restarted, and how its previous run ended: that says more than the crash loop itself. */
function addHistory(cause: Cause, container: JsonObject): Cause {
  const restarts = numberField(container, "restartCount");
  const last = textField(container, "lastTerminationReason");
  const parts = [cause.title];
  if (restarts > 0) parts.push(formatQuantity(restarts, "restart"));
  const isKnown = last !== "" && last !== textField(container, "reason") && !SUCCESS_REASONS.has(last);
  if (isKnown) parts.push(`the previous run ended with ${safeText(last, 100)}`);
  const advice = isKnown ? adviceAfter(last, container) : undefined;
  return { ...cause, title: parts.join(", "), ...(advice !== undefined && { advice }) };
}

/** What the end of the previous run means; "Error" means nothing by itself. */
function adviceAfter(last: string, container: JsonObject): string | undefined {
  if (last === "OOMKilled") return describeLimit(container);
  return last === "Error" ? undefined : REASON_ADVICE[last];
}

function describeLimit(container: JsonObject): string {
  const limit = numberField(container, "memoryLimitBytes");
  const advice = "Raise the limit, or let the container use less.";
  return Number.isNaN(limit)
    ? `The container used more memory than it may. ${advice}`
    : `The container used more memory than its limit of ${formatBytes(limit)}. ${advice}`;
}

function findReasonCauses(pod: JsonObject, reason: string, container: JsonObject | null = null): Cause[] {
  if (reason === "" || SUCCESS_REASONS.has(reason)) return [];
  const advice = reason === "OOMKilled" && container !== null ? describeLimit(container) : REASON_ADVICE[reason];
  const command = needsEvents(reason) || container === null ? describeCommand(pod) : logCommand(pod, container);
  return [
    {
      health: START_REASONS.has(reason) ? "warning" : "failed",
      title: safeText(reason, 100),
      ...(advice !== undefined && { advice }),
      ...command,
    },
  ];
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
  const previous = numberField(container, "restartCount") > 0 ? " --previous" : "";
  return commandFor([namespace, podName, name], `kubectl logs${previous} -n ${namespace} ${podName} -c ${name}`);
}
