import { safeText } from "../format";
import { hrefOfObject, type ObjectRef, objectName } from "../router";

/** Names longer than this are cut; the whole name is in the title. */
const MAXIMUM_CHARACTERS = 120;

interface NameProps {
  readonly text: string;
  readonly maximum?: number;
}

/** A text from telemetry: invisible characters are shown, its direction stays its own, and a long one is cut. */
export function Name({ text, maximum = MAXIMUM_CHARACTERS }: NameProps) {
  const shown = safeText(text, maximum);
  return <bdi title={shown === text ? undefined : safeText(text)}>{shown}</bdi>;
}

interface ObjectLinkProps {
  readonly object: ObjectRef;
  /** Instead of the name of the object. */
  readonly text?: string;
}

export function ObjectLink({ object, text }: ObjectLinkProps) {
  return (
    <a href={hrefOfObject(object)}>
      <Name text={text ?? objectName(object)} />
    </a>
  );
}
