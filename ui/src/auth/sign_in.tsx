/** What is shown as long as nobody is signed in. */

import { useState } from "preact/hooks";
import { Loading } from "../components/states";
import { safeText } from "../format";
import { authState, gateway, signInWithToken, startLogin } from "./auth";

export function SignIn() {
  const state = authState.value;
  if (state.status === "unreachable") {
    return (
      <section class="sign-in" role="status">
        <h1>The gateway does not respond</h1>
        <p>{safeText(state.detail, 300)}</p>
        <p>The page retries every few seconds.</p>
      </section>
    );
  }
  if (state.status !== "signedOut") return <Loading />;
  const login = gateway.value?.login ?? null;
  return (
    <section class="sign-in">
      <h1>Sign in</h1>
      {state.reason && <p role="alert">{safeText(state.reason, 500)}</p>}
      {login === null ? (
        <TokenForm />
      ) : (
        <>
          <p>
            <button type="button" class="primary" onClick={() => void startLogin()}>
              Sign in at {new URL(login.authority).host}
            </button>
          </p>
          <details>
            <summary>Use a token</summary>
            <TokenForm />
          </details>
        </>
      )}
    </section>
  );
}

function TokenForm() {
  const [text, setText] = useState("");
  return (
    <form
      class="token-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim()) signInWithToken(text);
      }}
    >
      <label for="token">Token</label>
      <input
        id="token"
        type="password"
        autocomplete="off"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" class="primary">
        Sign in
      </button>
      <p class="hint">
        An access token for the API. It stays in the memory of this browser until all tabs of this page are closed.
      </p>
    </form>
  );
}
