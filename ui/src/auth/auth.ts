/** Who is signed in, and how. Tokens are in memory only: of this page, and of the worker that all tabs share. */

import { effect, type ReadonlySignal, signal } from "@preact/signals";
import type { Token } from "../data/client";
import { isWorkerMissing, outage, sharedToken, shareToken } from "../data/client";
import type { Refusal } from "../data/protocol";
import { randomId } from "../random_id";
import { BASE_PATH, hrefOf, isLoginAnswer, navigate } from "../router";
import { type Config, fetchConfig } from "./config";
import type { Oidc, Session } from "./oidc";

type AuthState =
  /** Not known yet, or on the way to the issuer. */
  | { readonly status: "starting" }
  /** `/ui/config.json` cannot be had. */
  | { readonly status: "unreachable"; readonly detail: string }
  /** No token is needed, or a proxy adds it. */
  | { readonly status: "open" }
  | { readonly status: "signedIn"; readonly name: string }
  /** Nothing is shown before somebody signs in. `reason` says why, "" if it is the first time. */
  | { readonly status: "signedOut"; readonly reason: string };

const state = signal<AuthState>({ status: "starting" });
const config = signal<Config | null>(null);

export const authState: ReadonlySignal<AuthState> = state;
/** The configuration of the gateway, null before it is known. */
export const gateway: ReadonlySignal<Config | null> = config;

let oidc: Oidc | null = null;

const RETRY_MILLISECONDS = 3000;
const OTHER_TAB_MILLISECONDS = 2000;

/** Find out whether a token is needed, and get one. Call it once, after the worker is connected. */
export async function startAuth(): Promise<void> {
  const found = await loadConfig();
  config.value = found;
  if (found.login !== null) {
    const { Oidc: OidcClient } = await import("./oidc");
    oidc = new OidcClient(found.login, signIn);
  }
  await workerAnswer();
  const isFinished = isLoginAnswer(new URL(location.href)) && (await finishLogin());
  if (!isFinished) await signInFirst(found);
  followRefusals();
  followOtherTabs();
}

async function loadConfig(): Promise<Config> {
  for (;;) {
    try {
      return await fetchConfig();
    } catch (error) {
      state.value = { status: "unreachable", detail: error instanceof Error ? error.message : String(error) };
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
    }
  }
}

/** Finish a login or a logout at the issuer. Return whether it is known who is signed in. */
async function finishLogin(): Promise<boolean> {
  const answer = new URLSearchParams(location.search);
  if (oidc === null) {
    leaveLoginPage("");
    return false;
  }
  if (!answer.has("code") && !answer.has("error")) {
    leaveLoginPage("");
    state.value = { status: "signedOut", reason: "You are signed out." };
    return true;
  }
  try {
    const { session, returnTo } = await oidc.finish(location.href);
    leaveLoginPage(returnTo);
    signIn(session);
  } catch (error) {
    leaveLoginPage("");
    state.value = { status: "signedOut", reason: `Sign-in failed: ${describe(error)}` };
  }
  return true;
}

/** The answer of the issuer is for one use: it stays neither in the address nor in the history. */
function leaveLoginPage(returnTo: string): void {
  const isOwn = returnTo.startsWith(`${BASE_PATH}/`);
  navigate(isOwn ? returnTo : hrefOf({ screen: "overview" }), { replace: true });
}

async function signInFirst({ tokenRequired, login }: Config): Promise<void> {
  const shared = await workerAnswer();
  if (shared.token) state.value = { status: "signedIn", name: nameOf(shared.account) };
  else if (!tokenRequired) state.value = { status: "open" };
  else if (login !== null) await startLogin();
  else state.value = { status: "signedOut", reason: "" };
}

/** The token that other tabs have. The worker must have answered before this tab shares its own. */
function workerAnswer(): Promise<Token> {
  return new Promise((resolve) => {
    const stop = effect(() => {
      const { value } = sharedToken;
      if (value !== null) {
        resolve(value);
        queueMicrotask(() => stop());
      } else if (isWorkerMissing.value) {
        state.value = { status: "unreachable", detail: "The data worker of the page could not be loaded." };
      }
    });
  });
}

function signIn({ token, account, name }: Session): void {
  names.set(account, name);
  shareToken({ token, account });
  state.value = { status: "signedIn", name };
}

/** Names of accounts that this tab signed in. */
const names = new Map<string, string>();

function nameOf(account: string): string {
  return names.get(account) ?? "";
}

/** Go to the issuer, and come back to the same address. */
export async function startLogin(): Promise<void> {
  if (oidc === null) return;
  state.value = { status: "starting" };
  try {
    await oidc.login(location.pathname + location.search);
  } catch (error) {
    state.value = { status: "signedOut", reason: `Sign-in could not start: ${describe(error)}` };
  }
}

/** What a header can contain. */
const TOKEN_TEXT = /^[\x21-\x7e]+$/;

/** Use a token that somebody pasted. */
export function signInWithToken(text: string): void {
  const token = text.trim().replace(/^bearer\s+/i, "");
  if (TOKEN_TEXT.test(token)) signIn({ token, account: `pasted ${randomId()}`, name: "" });
  else state.value = { status: "signedOut", reason: "The token contains characters that are not allowed." };
}

export async function signOut(): Promise<void> {
  const logout = oidc?.logout().catch(() => undefined);
  shareToken({ token: null, account: "" });
  state.value = { status: "signedOut", reason: "You are signed out." };
  await logout;
}

/** The gateway refuses a token: it has expired, or it never was valid. */
function followRefusals(): void {
  effect(() => {
    const failure = outage.value;
    if (failure?.refusal) void replaceToken(failure.refusal, failure.problem.detail);
  });
}

let isReplacing = false;

async function replaceToken({ tokenId, wasAccepted }: Refusal, detail: string): Promise<void> {
  if (isReplacing || !isCurrent(tokenId) || state.peek().status === "signedOut") return;
  const token = sharedToken.peek()?.token ?? null;
  // Where a token was never accepted, the next one will not be either.
  if (oidc === null || (token !== null && !wasAccepted)) {
    state.value = { status: "signedOut", reason: refusalText(token, detail) };
    return;
  }
  isReplacing = true;
  try {
    const session = await oidc.renew();
    if (session !== null) signIn(session);
    else await loginUnlessOtherTabDoes(tokenId);
  } finally {
    isReplacing = false;
  }
}

/** Only the tab that logged in can renew the token. The others wait for it for a moment. */
async function loginUnlessOtherTabDoes(tokenId: string): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, OTHER_TAB_MILLISECONDS));
  if (isCurrent(tokenId) && state.peek().status !== "signedOut") await startLogin();
}

function isCurrent(tokenId: string): boolean {
  return sharedToken.peek()?.tokenId === tokenId;
}

function refusalText(token: string | null, detail: string): string {
  const fact = token === null ? "The gateway requires a token" : "The gateway does not accept the token";
  return detail ? `${fact}: ${detail}` : `${fact}.`;
}

/** Another tab signed in, signed out, or renewed the token. */
function followOtherTabs(): void {
  effect(() => {
    const shared = sharedToken.value;
    const { status } = state.peek();
    if (shared?.token && status === "signedOut") state.value = { status: "signedIn", name: nameOf(shared.account) };
    else if (shared?.token === null) {
      // Otherwise the renewal of this tab would sign all of them in again.
      if (status === "signedIn" || status === "signedOut") void oidc?.end();
      if (status === "signedIn") state.value = { status: "signedOut", reason: "You are signed out." };
    }
  });
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
