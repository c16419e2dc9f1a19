import { render } from "preact";
import { App } from "./app";
import { startAuth } from "./auth/auth";
import { connect } from "./data/client";
import { startKeyboard } from "./keyboard";
import { startRouter } from "./router";
import { startTheme } from "./theme";

startTheme();
startRouter();
startKeyboard();
connect();
void startAuth();

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
