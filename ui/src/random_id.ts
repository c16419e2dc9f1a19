/** An identifier that no other tab has. */
export function randomId(): string {
  return crypto.getRandomValues(new Uint32Array(2)).join("-");
}
