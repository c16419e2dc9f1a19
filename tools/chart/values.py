"""The values of the chart. values.yaml, values.schema.json and the table in docs/chart.md are generated from them."""

from collections.abc import Iterable, Sequence

from aggregator.settings.agent import AgentSettings
from aggregator.settings.gateway import Settings
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import list_secret_names
from aggregator.settings.types import SettingsGroup
from tools.chart.schema import Group, OptionalValue, Schema, Value

TEXT: Schema = {"type": "string"}
SWITCH: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
OPTIONAL_PORT: Schema = {"type": "integer", "minimum": 0, "maximum": 65535}
POSITIVE: Schema = {"type": "integer", "minimum": 1}
PERCENTAGE: Schema = {"type": "integer", "minimum": 1, "maximum": 1000}
OPTIONAL_PERCENTAGE: Schema = {"type": ["integer", "null"], "minimum": 1, "maximum": 1000}
# Users must not override the selector labels: the Services would no longer find the pods.
POD_LABELS: Schema = {
    "type": "object",
    "propertyNames": {"not": {"enum": ["app.kubernetes.io/name", "app.kubernetes.io/instance"]}},
    "additionalProperties": {"type": "string"},
}
POD_ANNOTATIONS: Schema = {
    "type": "object",
    "propertyNames": {"not": {"const": "checksum/secret"}},
    "additionalProperties": {"type": "string"},
}
LABEL_VALUE: Schema = {"type": "string", "pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"}
IMAGE_NAME: Schema = {"type": "string", "minLength": 1, "pattern": "^[^@]*$"}
IMAGE_TAG: Schema = {
    "type": "string",
    "pattern": "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(@sha256:[0-9a-f]{64})?)?$",
}
TEXTS_BY_NAME: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
QUANTITY: Schema = {"type": "string", "pattern": "^[0-9]+([.][0-9]+)?([KMGTPE]i?|m)?$"}
DURATION: Schema = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"}
SERVICE_TYPE: Schema = {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}
NAMES: Schema = {"type": "array", "items": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}}
INGRESS_HOSTS: Schema = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["paths"],
        "additionalProperties": False,
        "properties": {
            "host": TEXT,
            "paths": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["path"],
                    "additionalProperties": False,
                    "properties": {
                        "path": {"type": "string", "pattern": "^/"},
                        "pathType": {"enum": ["Exact", "Prefix", "ImplementationSpecific"]},
                    },
                },
            },
        },
    },
}

# The chart sets these itself, from other values.
_GATEWAY_NAMES_OF_THE_CHART = {
    "AGGREGATOR_PORT",
    "GRACE",
    "GRPC_HOST",
    "GRPC_PORT",
    "GRPC_TLS_CERT",
    "GRPC_TLS_KEY",
    "HTTP_HOST",
    "HTTP_PORT",
    "HTTP_TLS_CERT",
    "HTTP_TLS_KEY",
    "ISSUER",
    "METRICS_HOST",
    "METRICS_PORT",
    # A file of the Secret that is reloaded: PROMETHEUS_BEARER_TOKEN of aggregator.secrets.
    "PROMETHEUS_BEARER_TOKEN_FILE",
}
_SCRAPE_NAMES_OF_THE_CHART = {
    "AGENTS_FILE",
    "GRACE",
    "KUBECONFIG",
    "KUBERNETES",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "NAMESPACES",
    "REGISTRY_FILE",
    "SCRAPE_HOST",
    "SCRAPE_PORT",
    "SCRAPE_TLS_CERT",
    "SCRAPE_TLS_CLIENT_CA",
    "SCRAPE_TLS_KEY",
}
_AGENT_NAMES_OF_THE_CHART = {
    "AGENT_PORT",
    "AGENT_TLS_CERT",
    "AGENT_TLS_CLIENT_CA",
    "AGENT_TLS_KEY",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "MASTER",
    "NODE_NAME",
    "PUSH_PAGE",
}


def _list_settings(settings_type: type[SettingsGroup], excluded: Iterable[str]) -> Schema:
    names = settings_type.model_fields.keys() - list_secret_names(settings_type) - set(excluded)
    # YAML reads on, off, yes and no as booleans, which are not what the settings expect.
    return {
        "type": "object",
        "propertyNames": {"enum": sorted(names)},
        "additionalProperties": {"type": ["string", "integer"]},
    }


def _list_secrets(settings_type: type[SettingsGroup], excluded: Iterable[str] = ()) -> Schema:
    names = sorted(list_secret_names(settings_type) - set(excluded))
    return {"type": "object", "propertyNames": {"enum": names}, "additionalProperties": {"type": "string"}}


def _list_secret_keys(settings_type: type[SettingsGroup]) -> Schema:
    return {"type": "array", "uniqueItems": True, "items": {"enum": sorted(list_secret_names(settings_type))}}


def _describe_secrets(section: str) -> tuple[str, str, str]:
    existing = (
        f"Name of a Secret that exists, instead of the one that the chart creates from {section}. "
        "Its keys are the names of settings in lower case with hyphens, such as prometheus-address."
    )
    return (
        "Secret settings by name, stored in a Secret and mounted as files.",
        existing,
        "Names of the settings that the existing Secret contains.",
    )


_RESOURCES = "Requests and limits of the container. A request above its limit is lowered to it."
_NODE_SELECTOR = "Labels of the nodes that the pods may run on."
_TOLERATIONS = "Taints that the pods tolerate."
_AFFINITY = "Affinity of the pods."

_SECRETS, _EXISTING_SECRET, _EXISTING_KEYS = _describe_secrets("aggregator.prometheus, keycloakPublicKey and secrets")
GATEWAY = Group(
    "aggregator",
    "The gateway.",
    (
        Value("enabled", "Whether the gateway is installed.", SWITCH, True),
        Value(
            "prometheus",
            "URL of Prometheus or Thanos Query. It may contain a template, such as http://{{ .Release.Name "
            "}}-prometheus:9090.",
            {"type": "string", "minLength": 1},
            "http://prometheus.monitoring.svc:9090",
        ),
        Value(
            "keycloakPublicKey",
            "Public key of the Keycloak realm, base64 of DER or PEM. If it is set, HTTP and gRPC require tokens. It "
            "may "
            "contain a template.",
            TEXT,
            "",
        ),
        Value(
            "issuer",
            "URL of a token issuer, instead of keycloakPublicKey: its keys are fetched and refreshed.",
            TEXT,
            "",
        ),
        Value(
            "tlsSecret",
            "Name of a Secret with tls.crt and tls.key, as cert-manager creates it. If it is set, HTTP and gRPC "
            "require TLS.",
            TEXT,
            "",
        ),
        Value("metricsPort", "Port that serves only /metrics, without tokens and TLS.", PORT, 9464),
        Value(
            "graceSeconds",
            "Time for requests in progress to finish when a pod stops.",
            {"type": "integer", "minimum": 1, "maximum": 3600},
            20,
        ),
        Value(
            "settings",
            "Other settings of the gateway by name; docs/configuration.md lists them. Quote on, off, yes and no.",
            _list_settings(Settings, _GATEWAY_NAMES_OF_THE_CHART),
            {},
        ),
        Value("secrets", _SECRETS, _list_secrets(Settings, ("KEY", "PROMETHEUS_ADDRESS")), {}),
        Value("existingSecret", _EXISTING_SECRET, TEXT, ""),
        Value("existingSecretKeys", _EXISTING_KEYS, _list_secret_keys(Settings), ["PROMETHEUS_ADDRESS"]),
    ),
)

_SECRETS, _EXISTING_SECRET, _EXISTING_KEYS = _describe_secrets("scrape.secrets")
SCRAPE = Group(
    "scrape",
    "The scrape server.",
    (
        Value("enabled", "Whether the scrape server is installed.", SWITCH, False),
        Value(
            "namespaces",
            "Namespaces whose labelled pods are targets. If there are none, pods of all namespaces are targets, which "
            "needs a ClusterRole.",
            NAMES,
            [],
        ),
        Group(
            "service",
            "The Service of the scrape server, which also has port 5000.",
            (
                Value("type", "Type of the Service.", SERVICE_TYPE, "ClusterIP"),
                Value("port", "Port of the Service, besides 5000.", PORT, 80),
            ),
        ),
        Group(
            "persistence",
            "The volume of the registry. Without one, hosts must report again after a restart, and tokens of nodes "
            "are lost.",
            (
                Value("enabled", "Whether the registry is in a PersistentVolumeClaim.", SWITCH, False),
                Value("size", "Size of the claim.", QUANTITY, "1Gi"),
                Value("storageClass", "Storage class of the claim; empty: the default one.", TEXT, ""),
                Value("existingClaim", "Name of a claim that exists, instead of a new one.", TEXT, ""),
            ),
        ),
        Value(
            "settings",
            "Settings of the scrape server by name; docs/configuration.md lists them. Quote on, off, yes and no.",
            _list_settings(ScrapeSettings, _SCRAPE_NAMES_OF_THE_CHART),
            {},
        ),
        Value("secrets", _SECRETS, _list_secrets(ScrapeSettings), {}),
        Value("existingSecret", _EXISTING_SECRET, TEXT, ""),
        Value("existingSecretKeys", _EXISTING_KEYS, _list_secret_keys(ScrapeSettings), []),
        # Enough for 1,000 targets with 720 samples each.
        Value(
            "resources",
            _RESOURCES,
            OBJECT,
            {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "768Mi"}},
        ),
        Value("podAnnotations", "Annotations of the pod.", POD_ANNOTATIONS, {}),
        Value("podLabels", "Labels of the pod.", POD_LABELS, {}),
        Value("nodeSelector", _NODE_SELECTOR, TEXTS_BY_NAME, {}),
        Value("tolerations", _TOLERATIONS, OBJECTS, []),
        Value("affinity", _AFFINITY, OBJECT, {}),
    ),
)

_SECRETS, _EXISTING_SECRET, _EXISTING_KEYS = _describe_secrets("agent.secrets")
AGENT = Group(
    "agent",
    "The agent, a DaemonSet on the network of the nodes. It pushes its metrics to the scrape server and listens on the "
    "loopback interface of the node only.",
    (
        Value("enabled", "Whether the agent is installed.", SWITCH, False),
        Value(
            "dockerSocket",
            "Path of the socket of Docker on the nodes. On a node without this socket, the pod does not start. "
            "Empty: no "
            "socket, and only metrics of the node.",
            {"type": "string", "pattern": "^(/.*)?$"},
            "/var/run/docker.sock",
        ),
        Value(
            "dockerGroup",
            "Number of the group that owns the socket: stat -c %g /var/run/docker.sock.",
            {"type": "integer", "minimum": 0},
            999,
        ),
        Value("port", "Port of the agent on the nodes.", PORT, 5050),
        Value(
            "masters",
            "Scrape servers that get reports, such as scrape.example:5000, separated by commas. Empty: the one of "
            "the chart.",
            TEXT,
            "",
        ),
        Value(
            "settings",
            "Settings of the agent by name; docs/configuration.md lists them. Quote on, off, yes and no.",
            _list_settings(AgentSettings, _AGENT_NAMES_OF_THE_CHART),
            {},
        ),
        Value("secrets", _SECRETS, _list_secrets(AgentSettings), {}),
        Value("existingSecret", _EXISTING_SECRET, TEXT, ""),
        Value("existingSecretKeys", _EXISTING_KEYS, _list_secret_keys(AgentSettings), []),
        Value(
            "resources",
            _RESOURCES,
            OBJECT,
            {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
        ),
        Value("podAnnotations", "Annotations of the pods.", POD_ANNOTATIONS, {}),
        Value("podLabels", "Labels of the pods.", POD_LABELS, {}),
        Value("nodeSelector", _NODE_SELECTOR, TEXTS_BY_NAME, {}),
        Value("tolerations", _TOLERATIONS, OBJECTS, [{"operator": "Exists"}]),
        Value("affinity", _AFFINITY, OBJECT, {}),
    ),
)


def _select_from(names: Sequence[str]) -> Schema:
    return {"type": "array", "uniqueItems": True, "items": {"enum": list(names)}}


def build_values(rules: Sequence[str], dashboards: Sequence[str]) -> Group:
    """Return the description of all values; the arguments are the names of the alert rules and dashboards."""
    return Group(
        "",
        "Values of the chart",
        (
            OptionalValue("global", "Values of a parent chart; global.imagePullSecrets is used.", {"type": "object"}),
            OptionalValue("enabled", "The condition of a parent chart.", SWITCH),
            Value("nameOverride", "Name of the chart in the names of objects.", LABEL_VALUE, ""),
            Value("fullnameOverride", "Name of the gateway, and prefix of the other names.", TEXT, ""),
            Value(
                "replicaCount",
                "Pods of the gateway, unless autoscaling.enabled is set. They need no coordination.",
                {"type": "integer", "minimum": 0},
                1,
            ),
            Group(
                "image",
                "The image of all pods.",
                (
                    Value(
                        "repository",
                        "Name of the image, with the registry.",
                        IMAGE_NAME,
                        "aggregator",
                    ),
                    Value(
                        "tag",
                        "Tag of the image; empty: the version of the chart. It may end with a digest: "
                        "0.1.0@sha256:....",
                        IMAGE_TAG,
                        "",
                    ),
                    Value(
                        "pullPolicy",
                        "When the image is pulled.",
                        {"enum": ["Always", "IfNotPresent", "Never"]},
                        "IfNotPresent",
                    ),
                ),
            ),
            Value("imagePullSecrets", "Secrets for the registry, as a list of names: [{name: registry}].", OBJECTS, []),
            GATEWAY,
            Group(
                "service",
                "The Service of the gateway.",
                (
                    Value("type", "Type of the Service.", SERVICE_TYPE, "ClusterIP"),
                    Value("port", "Port of the HTTP API.", PORT, 8080),
                    Value(
                        "nodePort",
                        "Port of the HTTP API on the nodes, for the type NodePort; 0: any.",
                        OPTIONAL_PORT,
                        0,
                    ),
                    Value("grpcPort", "Port of the gRPC API; 0: no gRPC.", OPTIONAL_PORT, 8181),
                    Value("annotations", "Annotations of the Service.", TEXTS_BY_NAME, {}),
                ),
            ),
            Group(
                "ingress",
                "The Ingress of the HTTP API.",
                (
                    Value("enabled", "Whether there is an Ingress.", SWITCH, False),
                    Value("className", "Class of the Ingress.", TEXT, ""),
                    Value("annotations", "Annotations of the Ingress.", TEXTS_BY_NAME, {}),
                    Value(
                        "hosts",
                        "Hosts with their paths.",
                        INGRESS_HOSTS,
                        [
                            {
                                "host": "chart-example.local",
                                "paths": [{"path": "/", "pathType": "ImplementationSpecific"}],
                            }
                        ],
                    ),
                    Value(
                        "tls",
                        "TLS of the Ingress: [{secretName: aggregator-tls, hosts: [aggregator.example]}].",
                        OBJECTS,
                        [],
                    ),
                ),
            ),
            Group(
                "autoscaling",
                "The HorizontalPodAutoscaler of the gateway.",
                (
                    Value("enabled", "Whether the number of pods follows their load.", SWITCH, False),
                    Value("minReplicas", "Lowest number of pods.", POSITIVE, 1),
                    Value("maxReplicas", "Highest number of pods.", POSITIVE, 100),
                    Value(
                        "targetCPUUtilizationPercentage",
                        "Average use of CPU, in percent of the request; null: no target.",
                        OPTIONAL_PERCENTAGE,
                        80,
                    ),
                    Value(
                        "targetMemoryUtilizationPercentage",
                        "Average use of memory, in percent of the request; null: no target.",
                        OPTIONAL_PERCENTAGE,
                        None,
                    ),
                ),
            ),
            Group(
                "podDisruptionBudget",
                "The PodDisruptionBudget of the gateway.",
                (
                    Value("enabled", "Whether there is a PodDisruptionBudget.", SWITCH, False),
                    Value(
                        "maxUnavailable",
                        "Pods that a drain may stop at the same time, as a number or in percent.",
                        {"anyOf": [POSITIVE, {"type": "string", "pattern": "^([1-9][0-9]?|100)%$"}]},
                        1,
                    ),
                ),
            ),
            # Enough for 2,000 nodes (661 MiB measured, benchmarks/README.md); 200 nodes need 150 MiB.
            Value(
                "resources",
                _RESOURCES + " The default is enough for 2,000 nodes; 200 nodes need 150 MiB.",
                OBJECT,
                {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
            ),
            Group(
                "serviceAccount",
                "The service account of the gateway, which does not use the Kubernetes API.",
                (
                    Value("create", "Whether the service account is created.", SWITCH, True),
                    Value("automount", "Whether its token is mounted. The gateway does not need it.", SWITCH, False),
                    Value("annotations", "Annotations of the service account.", TEXTS_BY_NAME, {}),
                    Value(
                        "name",
                        "Name of the service account; empty: that of the gateway, or default if none is created.",
                        TEXT,
                        "",
                    ),
                ),
            ),
            Value("podAnnotations", "Annotations of the pods of the gateway.", POD_ANNOTATIONS, {}),
            Value("podLabels", "Labels of the pods of the gateway.", POD_LABELS, {}),
            Value(
                "podSecurityContext",
                "Security context of all pods.",
                OBJECT,
                {
                    "runAsNonRoot": True,
                    "runAsUser": 1001,
                    "runAsGroup": 1001,
                    "fsGroup": 1001,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
            ),
            Value(
                "securityContext",
                "Security context of all containers.",
                OBJECT,
                {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            ),
            Value("volumes", "More volumes of the pods of the gateway.", OBJECTS, []),
            Value("volumeMounts", "More volume mounts of the gateway.", OBJECTS, []),
            Value("nodeSelector", _NODE_SELECTOR, TEXTS_BY_NAME, {}),
            Value("tolerations", _TOLERATIONS, OBJECTS, []),
            Value("affinity", _AFFINITY, OBJECT, {}),
            Value("topologySpreadConstraints", "How the pods of the gateway are spread.", OBJECTS, []),
            SCRAPE,
            AGENT,
            Group(
                "networkPolicy",
                "Who may connect to the pods.",
                (
                    Value("enabled", "Whether there are NetworkPolicies.", SWITCH, False),
                    Value(
                        "from",
                        "Peers that may use the APIs of the gateway and of the scrape server. The default is the own "
                        "namespace.",
                        OBJECTS,
                        [{"podSelector": {}}],
                    ),
                    Value(
                        "metricsFrom",
                        "Peers that may read metrics: Prometheus.",
                        OBJECTS,
                        [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
                    ),
                    Value(
                        "nodes",
                        "Networks of the nodes, such as 10.0.0.0/16. Agents report to the scrape server from there.",
                        {"type": "array", "items": {"type": "string", "pattern": "^[0-9a-fA-F:.]+/[0-9]{1,3}$"}},
                        [],
                    ),
                ),
            ),
            Group(
                "serviceMonitor",
                "ServiceMonitors of the gateway and of the scrape server, for the Prometheus operator.",
                (
                    Value("enabled", "Whether there are ServiceMonitors.", SWITCH, False),
                    Value("interval", "Time between two scrapes.", DURATION, "30s"),
                    Value("labels", "Labels by which the Prometheus operator selects them.", TEXTS_BY_NAME, {}),
                ),
            ),
            Group(
                "prometheusRule",
                "The alert rules of deploy/monitoring/rules as PrometheusRules, for the Prometheus operator.",
                (
                    Value("enabled", "Whether there are PrometheusRules.", SWITCH, False),
                    Value("files", "Names of the files of rules.", _select_from(rules), list(rules)),
                    Value("labels", "Labels by which the Prometheus operator selects them.", TEXTS_BY_NAME, {}),
                ),
            ),
            Group(
                "dashboards",
                "The dashboards of deploy/monitoring/grafana as ConfigMaps, for the sidecar of Grafana.",
                (
                    Value("enabled", "Whether there are ConfigMaps of dashboards.", SWITCH, False),
                    Value("files", "Names of the dashboards.", _select_from(dashboards), list(dashboards)),
                    Value(
                        "labels", "Labels by which the sidecar selects them.", TEXTS_BY_NAME, {"grafana_dashboard": "1"}
                    ),
                    Value("annotations", "Annotations, such as the folder in Grafana.", TEXTS_BY_NAME, {}),
                ),
            ),
        ),
    )
