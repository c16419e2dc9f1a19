/** Login by the OpenID Connect authorization code flow with PKCE. Loaded only where it is configured. */

import { InMemoryWebStorage, type User, UserManager, WebStorageStateStore } from "oidc-client-ts";
import { LOGIN_PATH } from "../router";
import type { LoginConfig } from "./config";

export interface Session {
  readonly token: string;
  /** Issuer and subject: who is signed in. */
  readonly account: string;
  /** For people. */
  readonly name: string;
}

export class Oidc {
  readonly #manager: UserManager;
  #isEnded = false;

  /** `onRenewed` is called with each token that replaces one that is about to expire. */
  constructor({ authority, clientId }: LoginConfig, onRenewed: (session: Session) => void) {
    const page = location.origin + LOGIN_PATH;
    this.#manager = new UserManager({
      authority,
      client_id: clientId,
      redirect_uri: page,
      post_logout_redirect_uri: page,
      response_type: "code",
      scope: "openid profile",
      // Tokens are in memory only. What must survive the way to the issuer and back has no token in it.
      userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
      stateStore: new WebStorageStateStore({ store: sessionStorage }),
      // With the refresh token: the policy of the page allows no frames.
      automaticSilentRenew: true,
      validateSubOnSilentRenew: true,
      monitorSession: false,
      loadUserInfo: false,
    });
    this.#manager.events.addUserLoaded((user) => {
      // The answer to a renewal that was on its way when somebody signed out.
      if (this.#isEnded) void this.#manager.removeUser();
      else onRenewed(toSession(user));
    });
  }

  /** Go to the issuer, and come back to this address. */
  async login(returnTo: string): Promise<void> {
    await this.#manager.signinRedirect({ state: returnTo });
  }

  /** Finish a login at the address to which the issuer sent the browser back. */
  async finish(url: string): Promise<{ readonly session: Session; readonly returnTo: string }> {
    const user = await this.#manager.signinRedirectCallback(url);
    return { session: toSession(user), returnTo: typeof user.state === "string" ? user.state : "" };
  }

  /** A new token, null if this tab cannot get one without a login. */
  async renew(): Promise<Session | null> {
    const user = await this.#manager.getUser();
    if (!user?.refresh_token) return null;
    try {
      const renewed = await this.#manager.signinSilent();
      return renewed && !this.#isEnded ? toSession(renewed) : null;
    } catch {
      return null;
    }
  }

  /** End the login of this tab: no token is renewed any longer. */
  async end(): Promise<void> {
    if (this.#isEnded) return;
    this.#stopRenewal();
    await this.#manager.removeUser();
  }

  /** End the session at the issuer, too, where it can be ended. The browser leaves the page then. */
  async logout(): Promise<void> {
    // The user stays until the issuer's page is opened: its ID token tells the issuer whose session it is.
    this.#stopRenewal();
    try {
      const endpoint = await this.#manager.metadataService.getEndSessionEndpoint().catch(() => undefined);
      if (endpoint) await this.#manager.signoutRedirect();
    } finally {
      await this.#manager.removeUser();
    }
  }

  #stopRenewal(): void {
    this.#isEnded = true;
    this.#manager.stopSilentRenew();
  }
}

function toSession(user: User): Session {
  const { iss, sub, preferred_username: username, name } = user.profile;
  return { token: user.access_token, account: `${iss} ${sub}`, name: username ?? name ?? sub };
}
