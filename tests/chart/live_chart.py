"""The chart, rendered by a real Helm for each file in values/: valid objects that fit together, and errors."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aggregator.settings.agent import AgentSettings
from aggregator.settings.gateway import Settings
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import SECRET_FILE_SUFFIX, list_secret_names
from aggregator.settings.types import SettingsGroup
from tests.chart.helm import (
    CHART,
    KUBERNETES_VERSIONS,
    ROOT,
    VALUES_FOLDER,
    Manifest,
    Rendering,
    find_error,
    render,
    run_helm,
    validate,
)
from tools.chart.files import DASHBOARDS, RULES, describe_values
from tools.chart.manifests import render_manifests
from tools.chart.schema import Group, OptionalValue, Value
from tools.code import find_outdated_files

VALUES_FILES = sorted(VALUES_FOLDER.glob("*.yaml"))
WORKLOADS = ("Deployment", "DaemonSet")
EVERYTHING = f"--values={VALUES_FOLDER / 'everything.yaml'}"
URL_OF_KEYS = "aggregator.settings.JWKS_URL=https://keys"
# With agents and NetworkPolicies, an empty one is an error.
REQUIRED_LIST = "networkPolicy.nodes"
# The settings of each container by its first argument.
SETTINGS: dict[str, type[SettingsGroup]] = {"": Settings, "scrape": ScrapeSettings, "agent": AgentSettings}


def get_name(path: Path) -> str:
    """Return the name of a file of values."""
    return path.stem


@pytest.fixture(params=VALUES_FILES, ids=get_name)
def values_file(request: pytest.FixtureRequest) -> Path:
    """A file of values."""
    path: Path = request.param
    return path


@pytest.fixture
def rendering(values_file: Path) -> Rendering:
    """What the chart renders with the file of values."""
    return render(f"--values={values_file}")


def test_the_linter_has_no_complaint(values_file: Path) -> None:
    """`helm lint --strict` accepts the chart with these values."""
    completed = run_helm("lint", "--strict", str(CHART), f"--values={values_file}")
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "[WARNING]" not in completed.stdout


@pytest.mark.parametrize("kubernetes", KUBERNETES_VERSIONS)
def test_all_objects_are_valid(values_file: Path, kubernetes: str) -> None:
    """Each object fits the schema of the oldest and of the newest Kubernetes, without unknown fields."""
    objects = render(f"--values={values_file}", kubernetes=kubernetes).objects
    assert objects
    for one in objects:
        validate(one, kubernetes)


def test_no_object_is_rendered_twice(rendering: Rendering) -> None:
    """No two objects have the same kind, namespace and name."""
    keys = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in rendering.objects]
    assert len(set(keys)) == len(keys)


def get_pod(workload: Manifest) -> Manifest:
    """Return the pod template of a workload."""
    template: Manifest = workload["spec"]["template"]
    return template


def get_container(workload: Manifest) -> Manifest:
    """Return the only container of a workload."""
    (container,) = get_pod(workload)["spec"]["containers"]
    container_: Manifest = container
    return container_


def list_selecting(rendering: Rendering) -> Iterator[tuple[Manifest, dict[str, str], set[str]]]:
    """Yield each object that selects pods, its labels, and the ports that it names."""
    for one in rendering.list_kind("Service"):
        yield one, one["spec"]["selector"], {port["targetPort"] for port in one["spec"]["ports"]}
    for one in rendering.list_kind("PodDisruptionBudget"):
        yield one, one["spec"]["selector"]["matchLabels"], set()
    for one in rendering.list_kind("NetworkPolicy"):
        ports = {port["port"] for rule in one["spec"]["ingress"] for port in rule["ports"]}
        yield one, one["spec"]["podSelector"]["matchLabels"], ports


def test_selectors_match_exactly_one_workload(rendering: Rendering) -> None:
    """Each selector matches the pods of one workload, and the ports that it names are ports of them."""
    pods = {(one["kind"], one["metadata"]["name"]): one for one in rendering.list_kind(*WORKLOADS)}
    for one in pods.values():
        assert one["spec"]["selector"]["matchLabels"].items() <= get_pod(one)["metadata"]["labels"].items()
    for selecting, labels, ports in list_selecting(rendering):
        selected = [one for one in pods.values() if labels.items() <= get_pod(one)["metadata"]["labels"].items()]
        assert len(selected) == 1, selecting["metadata"]["name"]
        assert ports <= {port["name"] for port in get_container(selected[0])["ports"]}


def test_service_monitors_match_exactly_one_service(rendering: Rendering) -> None:
    """Each ServiceMonitor selects one Service, and its ports are ports of that Service."""
    for monitor in rendering.list_kind("ServiceMonitor"):
        labels = monitor["spec"]["selector"]["matchLabels"]
        selected = [
            one for one in rendering.list_kind("Service") if labels.items() <= one["metadata"]["labels"].items()
        ]
        assert len(selected) == 1
        ports = {port["name"] for port in selected[0]["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports


def test_references_to_objects_lead_somewhere(rendering: Rendering, values_file: Path) -> None:
    """Service accounts, Secrets and claims of pods are rendered, or are named in the values."""
    values = values_file.read_text(encoding="utf-8")
    rendered = {(one["kind"], one["metadata"]["name"]) for one in rendering.objects}
    for workload in rendering.list_kind(*WORKLOADS):
        spec = get_pod(workload)["spec"]
        references = {("ServiceAccount", spec["serviceAccountName"])} - {("ServiceAccount", "default")}
        for volume in spec.get("volumes", []):
            if "secret" in volume:
                references.add(("Secret", volume["secret"]["secretName"]))
            if "persistentVolumeClaim" in volume:
                references.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        for kind, name in references - rendered:
            assert re.search(rf"\b{name}\b", values), (kind, name)
        mounts = {mount["name"] for mount in get_container(workload).get("volumeMounts", [])}
        assert mounts == {volume["name"] for volume in spec.get("volumes", [])}


def test_every_variable_is_a_setting(rendering: Rendering) -> None:
    """Each variable is a setting of the program that the container runs; secrets are files of the mounted Secret."""
    for workload in rendering.list_kind(*WORKLOADS):
        container = get_container(workload)
        settings_type = SETTINGS[(container.get("args") or [""])[0]]
        secret_names = list_secret_names(settings_type)
        names = [one["name"] for one in container["env"]]
        assert len(set(names)) == len(names)
        files = {f"{name}{SECRET_FILE_SUFFIX}" for name in secret_names}
        assert set(names) <= (settings_type.model_fields.keys() - secret_names) | files
        for one in container["env"]:
            if one["name"] in files:
                key = one["name"].removesuffix(SECRET_FILE_SUFFIX).lower().replace("_", "-")
                assert one["value"] == f"/etc/aggregator/secret/{key}"


def test_pods_have_no_privileges(rendering: Rendering, values_file: Path) -> None:
    """Containers run without root, capabilities and a writable file system; only the agent sees the node."""
    for workload in rendering.list_kind(*WORKLOADS):
        spec, security = get_pod(workload)["spec"], get_container(workload)["securityContext"]
        assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["runAsUser"]) == (True, 1001)
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert ("hostNetwork" in spec) == (workload["kind"] == "DaemonSet")
        assert not spec.keys() & {"hostPID", "hostIPC"}


def test_values_without_content_are_empty() -> None:
    """A mapping, list or text that a user names without a value, such as `settings:`, is an empty one."""
    paths = [path for path, value in list_values() if not value.is_required and path != REQUIRED_LIST]
    rendering = render(EVERYTHING, "--set=" + ",".join(f"{path}=null" for path in paths))
    assert len(paths) > 40
    for one in rendering.objects:
        validate(one, KUBERNETES_VERSIONS[-1])


def test_values_that_are_missing_are_named() -> None:
    """One error of the schema names each number, switch and text that has no value."""
    paths = [path for path, value in list_values() if value.is_required]
    error = find_error(",".join(f"{path}=null" for path in paths))
    for path in paths:
        parent, _, name = path.rpartition(".")
        place = "/" + parent.replace(".", "/") if parent else ""
        assert re.search(rf"^ *- at '{place}': missing propert.*'{name}'", error, re.MULTILINE), path


def list_values(group: Group | None = None, prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Yield the path and the description of each value that users set."""
    for child in (group or describe_values()).children:
        if isinstance(child, Group):
            yield from list_values(child, f"{prefix}{child.name}.")
        elif not isinstance(child, OptionalValue):
            yield f"{prefix}{child.name}", child


@pytest.mark.parametrize("name", ["true", "null", "on", "a" * 53])
def test_names_that_yaml_reads_as_something_else(name: str) -> None:
    """Names of releases and namespaces are texts, also if they look like a boolean, null or a number."""
    rendering = render(EVERYTHING, "--namespace=123", "--set=scrape.namespaces[0]=null-1", release=name)
    for one in rendering.objects:
        validate(one, KUBERNETES_VERSIONS[-1])
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == name
    for binding in rendering.list_kind("RoleBinding"):
        assert binding["subjects"][0]["namespace"] == "123"


def test_long_names_are_valid_labels() -> None:
    """Names of the parts are at most 63 characters, and differ."""
    rendering = render(EVERYTHING, f"--set=nameOverride={'n' * 63}")
    for one in rendering.objects:
        validate(one, KUBERNETES_VERSIONS[-1])
    names = {one["metadata"]["labels"]["app.kubernetes.io/name"] for one in rendering.objects}
    assert {len(name) for name in names} == {63}
    assert len(names) == 3


@pytest.mark.parametrize("namespaces", ["", "--set=scrape.namespaces={team}"])
@pytest.mark.parametrize(
    ("one", "other"),
    [(("icos", "one"), ("icos", "other")), (("b-c", "a"), ("c", "a-b"))],
    ids=["of one name", "whose names join to one text"],
)
def test_two_releases_have_no_object_in_common(one: tuple[str, str], other: tuple[str, str], namespaces: str) -> None:
    """Roles of releases in two namespaces, for all namespaces or for one that both read, have different names."""

    def list_roles(release: str, namespace: str) -> set[tuple[str, str, str]]:
        rendering = render(EVERYTHING, f"--namespace={namespace}", *filter(None, [namespaces]), release=release)
        return {
            (role["kind"], role["metadata"].get("namespace", ""), role["metadata"]["name"])
            for role in rendering.list_kind("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
        }

    assert len(list_roles(*one)) == len(list_roles(*other)) == 2
    assert not list_roles(*one) & list_roles(*other)


@pytest.mark.parametrize(
    ("settings", "requests"),
    [
        ("resources.limits.memory=128Mi", {"cpu": "100m", "memory": "128Mi"}),
        ("resources.limits.memory=1G", {"cpu": "100m", "memory": "512Mi"}),
        ("resources.limits.cpu=50m", {"cpu": "50m", "memory": "512Mi"}),
        ("resources.limits.cpu=2", {"cpu": "100m", "memory": "512Mi"}),
    ],
)
def test_a_request_is_at_most_its_limit(settings: str, requests: dict[str, Any]) -> None:
    """A limit below the default request lowers the request: Kubernetes would refuse the pods."""
    container = get_container(render(f"--set={settings}").find("Deployment", "aggregator"))
    assert container["resources"]["requests"] == requests


def test_the_tag_of_the_image_may_have_a_digest() -> None:
    """A digest pins the content of the image."""
    tag = f"1.0@sha256:{'0' * 64}"
    assert (
        get_container(render(f"--set=image.tag={tag}").find("Deployment", "aggregator"))["image"] == f"aggregator:{tag}"
    )


def test_the_agent_keeps_the_groups_of_all_pods() -> None:
    """The group of the socket is added to those of podSecurityContext."""
    settings = "agent.enabled=true,scrape.enabled=true,agent.dockerGroup=998,podSecurityContext.supplementalGroups={5}"
    agent = render(f"--set={settings}").find("DaemonSet", "aggregator-agent")
    assert get_pod(agent)["spec"]["securityContext"]["supplementalGroups"] == [5, 998]


def test_values_of_the_go_chart_keep_their_meaning() -> None:
    """Each value of the chart of the Go service has its effect on the object and the field where it had it."""
    rendering = render(f"--values={VALUES_FOLDER / 'go-chart.yaml'}", release="icos")
    deployment = rendering.find("Deployment", "icos-aggregator")
    pod, container = get_pod(deployment), get_container(deployment)
    secret = rendering.find("Secret", "icos-aggregator")["stringData"]
    assert secret["prometheus-address"] == "http://icos-thanos-query:9090/"
    assert secret["key"].startswith("MIIBIjANBg")
    assert container["image"] == "registry.example/aggregator:develop"
    assert container["imagePullPolicy"] == "Always"
    assert pod["spec"]["imagePullSecrets"] == [{"name": "global-registry"}]
    assert pod["metadata"]["annotations"]["example.com/team"] == "icos"
    assert pod["metadata"]["labels"]["example.com/tier"] == "backend"
    assert container["resources"]["limits"] == {"cpu": "100m", "memory": "128Mi"}
    assert {"name": "foo", "mountPath": "/etc/foo", "readOnly": True} in container["volumeMounts"]
    assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert pod["spec"]["tolerations"] == [{"key": "example.com/spot", "operator": "Exists"}]
    assert "podAntiAffinity" in pod["spec"]["affinity"]
    assert "replicas" not in deployment["spec"]
    service = rendering.find("Service", "icos-aggregator")["spec"]
    assert service["type"] == "NodePort"
    assert service["ports"][0] == {"name": "http", "port": 8090, "targetPort": "http", "nodePort": 30080}
    (rule,) = rendering.find("Ingress", "icos-aggregator")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["path"], path["pathType"]) == ("icos.example", "/aggregator", "Prefix")
    assert path["backend"] == {"service": {"name": "icos-aggregator", "port": {"name": "http"}}}
    scaler = rendering.find("HorizontalPodAutoscaler", "icos-aggregator")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)
    targets = {one["resource"]["name"]: one["resource"]["target"]["averageUtilization"] for one in scaler["metrics"]}
    assert targets == {"cpu": 70, "memory": 80}


def test_an_upgrade_keeps_what_cannot_change() -> None:
    """The selector of the Deployment and the name of the container are those of the chart of the Go service."""
    deployment = render(release="icos").find("Deployment", "icos-aggregator")
    assert deployment["spec"]["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "aggregator",
        "app.kubernetes.io/instance": "icos",
    }
    assert get_container(deployment)["name"] == "aggregator"


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("replicas=2", "replicas"),
        ("replicaCount=two", "replicaCount"),
        ("service.port=0", "service/port"),
        ("service.port=http", "service/port"),
        ("service.type=Public", "service/type"),
        ("image.pullPolicy=never", "image/pullPolicy"),
        ("image.repository=registry.example/a@sha256:12", "image/repository"),
        ("image.tag=1.0@sha256:12", "image/tag"),
        ("nameOverride=-a", "nameOverride"),
        (r"podLabels.app\.kubernetes\.io/name=a", "app.kubernetes.io/name"),
        (r"agent.podLabels.app\.kubernetes\.io/instance=a", "app.kubernetes.io/instance"),
        (r"podAnnotations.checksum/secret=a", "checksum/secret"),
        ("aggregator.prometheus=", "aggregator/prometheus"),
        ("aggregator.settings.REFRESH_INTERVALL=30s", "REFRESH_INTERVALL"),
        ("aggregator.settings.PROMETHEUS_BEARER_TOKEN=a", "PROMETHEUS_BEARER_TOKEN"),
        ("aggregator.settings.HTTP_PORT=80", "HTTP_PORT"),
        ("aggregator.settings.GRPC_AUTH=true", "GRPC_AUTH"),
        ("aggregator.secrets.KEY=a", "KEY"),
        ("ingress.hosts[0].host=a", "ingress/hosts/0"),
        ("ingress.hosts={}", "ingress/hosts"),
        ("autoscaling.minReplicas=0", "autoscaling/minReplicas"),
        ("podDisruptionBudget.maxUnavailable=0", "podDisruptionBudget/maxUnavailable"),
        ("podDisruptionBudget.maxUnavailable=101%", "podDisruptionBudget/maxUnavailable"),
        ("scrape.persistence.size=big", "scrape/persistence/size"),
        ("agent.dockerSocket=var/run/docker.sock", "agent/dockerSocket"),
        ("networkPolicy.nodes[0]=10.0.0.0", "networkPolicy/nodes/0"),
        ("serviceMonitor.interval=30", "serviceMonitor/interval"),
        ("prometheusRule.files={nothing}", "prometheusRule/files/0"),
        ("dashboards.files={nothing}", "dashboards/files/0"),
    ],
)
def test_the_schema_refuses_invalid_values(setting: str, error: str) -> None:
    """The error names the value, in the way of the JSON schema."""
    text = find_error(setting)
    assert "don't meet the specifications of the schema" in text
    assert error in text


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (["service.port=8181"], "service.port and service.grpcPort must differ, got 8181 for both"),
        (["aggregator.metricsPort=8080"], "aggregator.metricsPort must not be 8080 or 8181"),
        (
            ["autoscaling.enabled=true", "autoscaling.minReplicas=3", "autoscaling.maxReplicas=2"],
            "autoscaling.minReplicas must be at most autoscaling.maxReplicas, got 3 and 2",
        ),
        (
            ["autoscaling.enabled=true", "autoscaling.targetCPUUtilizationPercentage=null"],
            "autoscaling.enabled requires autoscaling.targetCPUUtilizationPercentage or",
        ),
        (
            ["aggregator.existingSecret=a", "aggregator.existingSecretKeys={KEY}"],
            "aggregator.existingSecretKeys must contain PROMETHEUS_ADDRESS",
        ),
        (
            ["aggregator.existingSecret=a", "aggregator.keycloakPublicKey=b"],
            "aggregator.keycloakPublicKey has no effect if aggregator.existingSecret is set",
        ),
        (
            ["aggregator.existingSecret=a", "aggregator.secrets.PROMETHEUS_BEARER_TOKEN=b"],
            "aggregator.secrets has no effect if aggregator.existingSecret is set",
        ),
        (
            ["scrape.existingSecret=a", "scrape.secrets.DISCOVERY_SECRET=b"],
            "scrape.secrets has no effect if scrape.existingSecret is set",
        ),
        (
            ["agent.existingSecret=a", "agent.secrets.MASTER_SECRET=b"],
            "agent.secrets has no effect if agent.existingSecret is set",
        ),
        (["agent.existingSecret=a"], "agent.existingSecretKeys must list the settings that the Secret contains"),
        (
            ["autoscaling.enabled=true", "resources.requests.cpu=null"],
            "autoscaling by cpu requires resources.requests.cpu",
        ),
        (
            ["autoscaling.enabled=true", "resources=null", "autoscaling.targetMemoryUtilizationPercentage=80"],
            "requires resources.requests",
        ),
        (["aggregator.keycloakPublicKey=a", "aggregator.issuer=https://a"], "are both set: remove one of them"),
        (
            ["aggregator.existingSecret=a", "aggregator.existingSecretKeys={PROMETHEUS_ADDRESS,KEY}", URL_OF_KEYS],
            "are both set: remove one of them",
        ),
        (["volumes[0].name=secret"], "volumes must not have the name secret"),
        (["fullnameOverride=3scale"], "start with a letter, got 3scale: set fullnameOverride"),
        (["fullnameOverride=my.gateway"], "got my.gateway: set fullnameOverride"),
        (["agent.enabled=true"], "agent.enabled requires scrape.enabled, or agent.masters"),
        (["scrape.service.port=5000"], "scrape.service.port must not be 5000"),
        (
            ["agent.enabled=true", "scrape.enabled=true", "networkPolicy.enabled=true"],
            "networkPolicy.nodes must contain the networks of the nodes",
        ),
    ],
)
def test_conflicts_of_values_have_an_error(settings: list[str], error: str) -> None:
    """The error names both values and what is expected."""
    assert error in find_error(*settings)


def test_the_rules_are_those_of_the_repository() -> None:
    """There is a PrometheusRule for each file of alert rules, with the same groups."""
    rules = render("--set=prometheusRule.enabled=true").list_kind("PrometheusRule")
    files = {f"aggregator-{path.stem}": path for path in (ROOT / RULES).glob("*.yaml")}
    assert {rule["metadata"]["name"] for rule in rules} == files.keys()
    for rule in rules:
        text = files[rule["metadata"]["name"]].read_text(encoding="utf-8")
        assert rule["spec"]["groups"] == yaml.safe_load(text)["groups"]


def read_scrape_jobs() -> dict[str, Manifest]:
    """Return what Prometheus does for each job of deploy/monitoring/prometheus.yaml, with its default values."""
    config = yaml.safe_load((ROOT / "deploy" / "monitoring" / "prometheus.yaml").read_text(encoding="utf-8"))
    jobs = {}
    for job in config["scrape_configs"]:
        one = config["global"] | job
        jobs[job["job_name"]] = {
            "interval": one["scrape_interval"],
            "timeout": one.get("scrape_timeout"),
            "scheme": one.get("scheme", "http"),
            "path": one.get("metrics_path", "/metrics"),
            "params": one.get("params", {}),
            "honorLabels": one.get("honor_labels", False),
            "authorization": one.get("authorization"),
            "relabelings": one.get("relabel_configs", []),
            "metricRelabelings": one.get("metric_relabel_configs", []),
        }
    return jobs


def read_endpoint(endpoint: Manifest) -> Manifest:
    """Return what Prometheus does for an endpoint of a ServiceMonitor, with its default values."""
    return {
        "interval": endpoint["interval"],
        "timeout": endpoint.get("scrapeTimeout"),
        "scheme": endpoint.get("scheme", "http"),
        "path": endpoint.get("path", "/metrics"),
        "params": endpoint.get("params", {}),
        "honorLabels": endpoint.get("honorLabels", False),
        "authorization": endpoint.get("authorization"),
        "relabelings": endpoint.get("relabelings", []),
        "metricRelabelings": endpoint.get("metricRelabelings", []),
    }


def test_the_scrape_jobs_are_those_of_the_repository() -> None:
    """An endpoint of a ServiceMonitor is a job of deploy/monitoring/prometheus.yaml, with the interval of the values.

    Besides, it has the name of the job, which would be that of the Service. The jobs with labels of the page do not get
    those of the pod of the scrape server.
    """
    interval = "17s"
    pod_labels = {"action": "labeldrop", "regex": "namespace|pod|service|container|endpoint"}
    expected = read_scrape_jobs()
    settings = f"--set=serviceMonitor.enabled=true,serviceMonitor.interval={interval},scrape.enabled=true"
    monitors = render(settings).list_kind("ServiceMonitor")
    found = {}
    for endpoint in (endpoint for monitor in monitors for endpoint in monitor["spec"]["endpoints"]):
        one = read_endpoint(endpoint)
        job = one["relabelings"][0]["replacement"]
        added = [{"targetLabel": "job", "replacement": job}] + [pod_labels] * one["honorLabels"]
        assert one == expected[job] | {"interval": interval, "relabelings": added}
        found[job] = one
    assert found.keys() == {"aggregator", "aggregator-scrape", "aggregator-agents"}


def test_the_dashboards_are_those_of_the_repository() -> None:
    """There is a ConfigMap for each dashboard, with its JSON and the label for the sidecar of Grafana."""
    maps = render("--set=dashboards.enabled=true").list_kind("ConfigMap")
    files = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / DASHBOARDS).glob("*.json")}
    contents: dict[str, str] = {}
    for one in maps:
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        contents |= one["data"]
    assert contents == files
    assert len(maps) == len(files) > 0


def test_rules_and_dashboards_can_be_selected() -> None:
    """Only the named files of rules and dashboards are installed."""
    selection = ("prometheusRule.files={nodes}", "dashboards.files={fleet}", "dashboards.annotations.folder=Fleet")
    enabled = ("prometheusRule.enabled=true", "dashboards.enabled=true")
    rendering = render(*(f"--set={one}" for one in (*selection, *enabled)))
    assert [one["metadata"]["name"] for one in rendering.list_kind("PrometheusRule")] == ["aggregator-nodes"]
    (dashboard,) = rendering.list_kind("ConfigMap")
    assert dashboard["metadata"]["name"] == "aggregator-dashboard-fleet"
    assert dashboard["metadata"]["annotations"] == {"folder": "Fleet"}


@pytest.fixture
def chart_with_visible_notes(tmp_path: Path) -> Path:
    """A copy of the chart with a ConfigMap that contains the notes, which `helm template` does not print."""
    copy = tmp_path / "chart"
    shutil.copytree(CHART, copy)
    (copy / "templates" / "notes.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\n"
        'data: {text: {{ include (print $.Template.BasePath "/NOTES.txt") . | quote }}}\n'
    )
    return copy


def test_the_notes_warn_about_a_gateway_that_is_open(chart_with_visible_notes: Path) -> None:
    """There is a warning unless tokens are required or a NetworkPolicy restricts access."""

    def has_warning(*settings: str) -> bool:
        arguments = (*(f"--set={one}" for one in settings), "--set=scrape.enabled=true")
        notes: str = render(*arguments, chart=chart_with_visible_notes).find("ConfigMap", "notes")["data"]["text"]
        assert "service/aggregator 8080:8080" in notes
        assert "service/aggregator-scrape 5000:5000" in notes
        return "WARNING: every client" in notes

    assert has_warning()
    assert has_warning("aggregator.keycloakPublicKey=null")
    # These names have no effect without the name of a Secret.
    names = "aggregator.existingSecretKeys={PROMETHEUS_ADDRESS,KEY}"
    assert has_warning(names)
    assert not has_warning(names, "aggregator.existingSecret=a")
    for setting in ("aggregator.keycloakPublicKey=a", "aggregator.issuer=https://a", "networkPolicy.enabled=true"):
        assert not has_warning(setting)


def test_the_manifests_in_deploy_are_those_of_the_chart() -> None:
    """deploy/kubernetes.yaml and deploy/scrape.yaml are what the chart renders with default values."""
    assert find_outdated_files(render_manifests()) == []
