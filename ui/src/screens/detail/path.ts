import { type ObjectRef, objectPath } from "../../router";

/** Where the API has an object: a cluster without its nodes and pods, which have tables of their own. */
export function detailPath(object: ObjectRef): string {
  return object.kind === "cluster" ? `${objectPath(object)}?depth=1` : objectPath(object);
}
