/** The question of the form: texts in the address, the request of the API, and which field an error is about. */

export const FIELD_NAMES = [
  "cpu",
  "memory",
  "gpus",
  "architecture",
  "labels",
  "tolerations",
  "devices",
  "clusters",
  "types",
  "countries",
  "continents",
  "near",
  "distance",
  "security",
  "vulnerabilities",
  "power",
  "perCluster",
  "limit",
  "weight.freeCpu",
  "weight.freeMemory",
  "weight.security",
  "weight.distance",
  "weight.energy",
  "weight.spread",
] as const;

export type FieldName = (typeof FIELD_NAMES)[number];
export type Texts = Readonly<Partial<Record<string, string>>>;

/** The body of POST /api/v1/candidates. */
export type CandidatesRequest = Readonly<Record<string, unknown>>;

interface Question {
  readonly request: CandidatesRequest;
  /** What is wrong with a field, before anything is asked. */
  readonly problems: ReadonlyMap<FieldName, string>;
}

/** How many rejected nodes are asked for. */
export const REJECTED_LIMIT = 100;
export const MAXIMUM_LIMIT = 500;
/** As many rows are drawn without a pause that anybody notices. */
const LARGE_LIMIT = 100;

/** How many are asked for to see more than these. */
export function nextLimit(count: number): string {
  return String(count < LARGE_LIMIT ? LARGE_LIMIT : MAXIMUM_LIMIT);
}

/** Raised for a text that is no value of its field. */
class FieldError extends Error {}

const SUFFIXES: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};
const QUANTITY = /^(\d+(?:\.\d*)?|\.\d+)\s*(Ki|Mi|Gi|Ti|[mkMGT]|)B?$/;

/** A quantity of Kubernetes: 500m, 0.5, 4Gi. */
export function parseQuantity(text: string): number {
  const [, number = "", suffix = ""] = QUANTITY.exec(text) ?? [];
  if (number === "") throw new FieldError(`must be a quantity such as 0.5, 500m or 4Gi, got ${text}`);
  return Number(number) * (SUFFIXES[suffix] ?? 1);
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (Number.isNaN(value)) throw new FieldError(`must be a number, got ${text}`);
  return value;
}

function parseWhole(text: string): number {
  const value = parseNumber(text);
  if (!Number.isInteger(value)) throw new FieldError(`must be a whole number, got ${text}`);
  return value;
}

/** The items of a text separated by commas; what is in parentheses or double quotes stays together. */
export function splitItems(text: string): string[] {
  const items = text.match(/(?:"(?:\\.|[^"\\])*"?|\([^)]*\)?|[^,])+/g) ?? [];
  return items.map((item) => item.trim()).filter((item) => item !== "");
}

function parseList(text: string): string[] {
  return splitItems(text).map(unquote);
}

function unquote(text: string): string {
  return /^".*"$/s.test(text) ? text.slice(1, -1).replace(/\\(.)/gs, "$1") : text;
}

interface LabelExpression {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

const SET_REQUIREMENT = /^(\S+)\s+(in|notin)\s*\((.*)\)$/s;
const COMPARISON = /^([^\s=!<>()]+)\s*(==?|!=|<|>)\s*([^\s=!<>()]*)$/;
const EXISTENCE = /^(!?)\s*([^\s=!<>(),]+)$/;
const OPERATORS: Readonly<Record<string, string>> = {
  in: "In",
  notin: "NotIn",
  "=": "In",
  "==": "In",
  "!=": "NotIn",
  "<": "Lt",
  ">": "Gt",
};

/** A label selector of Kubernetes as label expressions: zone in (a,b),gpu,!spot,cores>4. */
export function parseSelector(text: string): LabelExpression[] {
  return splitItems(text).map((item) => {
    const [, setKey, setOperator = "", values = ""] = SET_REQUIREMENT.exec(item) ?? [];
    if (setKey !== undefined) return { key: setKey, operator: operatorOf(setOperator), values: parseList(values) };
    const [, key, operator = "", value = ""] = COMPARISON.exec(item) ?? [];
    if (key !== undefined) return { key, operator: operatorOf(operator), values: [value] };
    const [, not, name] = EXISTENCE.exec(item) ?? [];
    if (name === undefined) throw new FieldError(`must be a label selector such as zone in (a,b),!gpu, got ${item}`);
    return { key: name, operator: not ? "DoesNotExist" : "Exists" };
  });
}

function operatorOf(text: string): string {
  return OPERATORS[text] ?? text;
}

interface Toleration {
  readonly key?: string;
  readonly operator: string;
  readonly value?: string;
  readonly effect?: string;
}

const TOLERATION = /^(\*|[^\s=:*]+)(?:=([^\s=:]*))?(?::(\w+))?$/;

/** Tolerations as kubectl writes taints, key=value:Effect; without a value any value, without an effect all, * any key. */
export function parseTolerations(text: string): Toleration[] {
  return splitItems(text).map((item) => {
    const [, key, value, effect] = TOLERATION.exec(item) ?? [];
    if (key === undefined || (key === "*" && value !== undefined)) {
      throw new FieldError(`must be taints such as dedicated=gpu:NoSchedule, got ${item}`);
    }
    return {
      ...(key !== "*" && { key }),
      operator: value === undefined ? "Exists" : "Equal",
      ...(value !== undefined && { value }),
      ...(effect !== undefined && { effect }),
    };
  });
}

function parsePosition(text: string): { latitude: number; longitude: number } {
  const [latitude = "", longitude = "", rest] = text.split(/[\s,;]+/);
  if (latitude === "" || longitude === "" || rest !== undefined) {
    throw new FieldError(`must be latitude and longitude in degrees, such as 46.05, 14.51, got ${text}`);
  }
  return { latitude: parseNumber(latitude), longitude: parseNumber(longitude) };
}

interface Rule {
  /** Where the value is in the request: "near.maxDistanceKm". */
  readonly path: string;
  readonly parse: (text: string) => unknown;
}

// 64-bit integers are texts in JSON.
const RULES: Readonly<Record<FieldName, Rule>> = {
  cpu: { path: "cpuCores", parse: parseQuantity },
  memory: { path: "memoryBytes", parse: (text) => String(Math.ceil(parseQuantity(text))) },
  gpus: { path: "gpuCount", parse: (text) => String(parseWhole(text)) },
  architecture: { path: "architecture", parse: (text) => text },
  labels: { path: "labelExpressions", parse: parseSelector },
  tolerations: { path: "tolerations", parse: parseTolerations },
  devices: { path: "devices", parse: parseList },
  clusters: { path: "clusters", parse: parseList },
  types: { path: "clusterTypes", parse: parseList },
  countries: { path: "countries", parse: parseList },
  continents: { path: "continents", parse: parseList },
  near: { path: "near", parse: parsePosition },
  distance: { path: "near.maxDistanceKm", parse: parseNumber },
  security: { path: "minSecurityScore", parse: (text) => String(parseWhole(text)) },
  vulnerabilities: { path: "maxCriticalVulnerabilities", parse: (text) => String(parseWhole(text)) },
  power: { path: "maxPowerWatts", parse: parseNumber },
  perCluster: { path: "maxPerCluster", parse: parseWhole },
  limit: { path: "limit", parse: parseWhole },
  "weight.freeCpu": { path: "ranking.freeCpu", parse: parseNumber },
  "weight.freeMemory": { path: "ranking.freeMemory", parse: parseNumber },
  "weight.security": { path: "ranking.security", parse: parseNumber },
  "weight.distance": { path: "ranking.distance", parse: parseNumber },
  "weight.energy": { path: "ranking.energy", parse: parseNumber },
  "weight.spread": { path: "ranking.spread", parse: parseNumber },
};

/** The request that the texts of the fields describe. An empty text requires nothing. */
export function buildQuestion(texts: Texts): Question {
  const request: Record<string, unknown> = {};
  const problems = new Map<FieldName, string>();
  for (const name of FIELD_NAMES) {
    const text = texts[name]?.trim() ?? "";
    if (text === "") continue;
    try {
      setAt(request, RULES[name].path, RULES[name].parse(text));
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      problems.set(name, error.message);
    }
  }
  return { request, problems };
}

function setAt(request: Record<string, unknown>, path: string, value: unknown): void {
  const [first = "", second] = path.split(".");
  if (second === undefined) request[first] = value;
  else request[first] = { ...(request[first] as object | undefined), [second]: value };
}

/** The field that a path in an error of the API is about: near.latitude, label_expressions[0].values. */
export function fieldOfPath(path: string): FieldName | null {
  const name = path.replace(/\[.*?\]/g, "").replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  if (name === "nodeSelector") return "labels";
  const exact = FIELD_NAMES.find((field) => RULES[field].path === name);
  return exact ?? FIELD_NAMES.find((field) => RULES[field].path === name.split(".")[0]) ?? null;
}
