/** What the gateway says of itself before anybody is signed in. */

export interface Config {
  readonly version: string;
  /** The OpenID Connect client of the page, null if there is none. */
  readonly login: LoginConfig | null;
  /** Whether the API wants a token. */
  readonly tokenRequired: boolean;
}

export interface LoginConfig {
  readonly authority: string;
  readonly clientId: string;
}

export async function fetchConfig(): Promise<Config> {
  const response = await fetch("/ui/config.json", { cache: "no-store", signal: AbortSignal.timeout(15_000) });
  if (!response.ok) throw new Error(`/ui/config.json: HTTP ${response.status}`);
  return (await response.json()) as Config;
}
