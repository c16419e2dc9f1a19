/** The script of the worker: a SharedWorker for all tabs, or a worker of one tab where browsers have none. */

import { type Client, Hub } from "./hub";
import type { ToWorker } from "./protocol";
import { sleep } from "./sleep";
import { readStream, send } from "./transport";

const hub = new Hub({ send, readStream, sleep, now: Date.now, random: Math.random });

/** The side of a tab: a port of a SharedWorker, or the scope of a worker. */
interface Endpoint {
  postMessage(message: unknown, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

function serve(endpoint: Endpoint): void {
  const client: Client = hub.connect((message, transfer) => endpoint.postMessage(message, transfer));
  endpoint.onmessage = (event) => {
    const message = event.data as ToWorker;
    if (message.type === "alive") void leaveWithTab(client, message.lock);
    else hub.receive(client, message);
  };
}

/** A tab holds a lock as long as it lives. A tab that crashes says nothing, but its lock becomes free. */
async function leaveWithTab(client: Client, lock: string): Promise<void> {
  await navigator.locks.request(lock, () => hub.leave(client));
}

if ("onconnect" in globalThis) {
  (globalThis as unknown as SharedWorkerGlobalScope).onconnect = (event) => {
    for (const port of event.ports) serve(port);
  };
} else {
  serve(globalThis as unknown as DedicatedWorkerGlobalScope);
}
