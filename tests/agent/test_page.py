"""The page of metrics, as a parser of Prometheus reads it."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aggregator.agent.collect import Collection, CollectionCounters, Collector
from aggregator.agent.host import SystemName
from aggregator.agent.page import FAMILIES, PageWriter
from aggregator.agent.process_metrics import ProcessFacts
from aggregator.docker.engine import DockerEngine
from tests.agent.conftest import HOST
from tests.support.fake_engine import EXITED, PAUSED, RUNNING, FakeEngine

SYSTEM = SystemName("Linux", "6.1.0", "#1 SMP", "x86_64", "host1")
PROCESS = ProcessFacts({("metrics", "200", "GET"): 3}, {("m:1", "success"): 2}, 1.5, 1000, 10, 1767000000.0)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(page: bytes) -> Samples:
    """Return the samples by name and labels; the parser fails for duplicate families and invalid lines."""
    samples = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            assert sample.timestamp is None
            key = sample.name, frozenset(sample.labels.items())
            assert key not in samples
            samples[key] = sample.value
    return samples


def write(
    collection: Collection,
    *,
    labels: tuple[str, ...] = (),
    counters: CollectionCounters | None = None,
    node_name: str = "",
    includes_host: bool = True,
) -> Samples:
    """Return the samples of a page."""
    writer = PageWriter(labels, SYSTEM, node_name, includes_host=includes_host)
    return parse(writer.write(collection, counters or CollectionCounters(), PROCESS))


@pytest.fixture
async def collection(engine: DockerEngine) -> Collection:
    """A collection of the recorded Engine."""
    return await Collector(engine, 30, lambda: HOST).collect()


def get(samples: Samples, metric: str, /, **labels: str) -> float:
    """Return the value of a series; fail if it does not exist."""
    return samples[metric, frozenset(labels.items())]


def test_containers_have_the_names_of_cadvisor(fake: FakeEngine, collection: Collection) -> None:
    """A running container has the metrics of cAdvisor, with its labels; a stopped one has none of them."""
    samples = write(collection, labels=("foo", "com.docker.compose.project", "missing"))
    labels = {
        "id": f"/docker/{fake.find_id(RUNNING)}",
        "name": RUNNING,
        "image": "busybox:local",
        "container_label_foo": "bar",
        "container_label_com_docker_compose_project": "shop",
    }
    assert get(samples, "container_spec_memory_limit_bytes", **labels) == 67108864
    assert get(samples, "container_cpu_usage_seconds_total", **labels, cpu="total") > 0
    assert get(samples, "container_network_receive_bytes_total", **labels, interface="eth0") > 0
    assert get(samples, "container_start_time_seconds", **labels) == pytest.approx(1796019339.415, abs=0.001)
    assert get(samples, "container_cpu_cfs_periods_total", **labels) > 0
    assert not [key for key in samples if key[0].startswith("container_") and ("name", EXITED) in key[1]]


def test_what_only_the_engine_knows(fake: FakeEngine, collection: Collection) -> None:
    """State and health have a series for each value, stopped containers an exit code."""
    samples = write(collection)
    running, exited = (f"/docker/{fake.find_id(name)}" for name in (RUNNING, EXITED))
    assert get(samples, "docker_container_state", id=running, state="running") == 1
    assert get(samples, "docker_container_state", id=running, state="exited") == 0
    assert get(samples, "docker_container_health", id=running, status="healthy") == 1
    assert get(samples, "docker_container_health", id=exited, status="none") == 1
    assert get(samples, "docker_container_exit_code", id=exited) == 3
    assert ("docker_container_exit_code", frozenset({("id", running)})) not in samples
    assert get(samples, "docker_containers", state="paused") == 1
    info = next(
        dict(labels) for name, labels in samples if name == "docker_container_info" and ("name", RUNNING) in labels
    )
    assert (info["compose_project"], info["compose_service"]) == ("shop", "web")


def test_out_of_memory_kills(fake: FakeEngine, collection: Collection) -> None:
    """Kills are counted by events; one that the Engine remembers from before the start counts as one."""
    counters = CollectionCounters()
    running, paused = (fake.find_id(name) for name in (RUNNING, PAUSED))
    counters.oom_kills[running] = 3
    containers = tuple(
        replace(each, details=replace(each.details, is_oom_killed=True)) if each.details is not None else each
        for each in collection.containers
    )
    samples = write(replace(collection, containers=containers), counters=counters)
    assert get(samples, "docker_container_oom_kills_total", id=f"/docker/{running}") == 3
    assert get(samples, "docker_container_oom_kills_total", id=f"/docker/{paused}") == 1


def test_the_host_has_the_names_of_node_exporter(collection: Collection) -> None:
    """The host has the metrics of node_exporter; the time of guests is not counted twice."""
    samples = write(collection)
    assert get(samples, "node_memory_MemAvailable_bytes") == 5_000_000_000
    assert get(samples, "node_cpu_seconds_total", cpu="0", mode="user") == 10.5
    assert not [labels for name, labels in samples if name == "node_cpu_seconds_total" and ("mode", "guest") in labels]
    assert get(samples, "node_filesystem_avail_bytes", device="/dev/sda1", fstype="ext4", mountpoint="/") == 55_000
    assert get(samples, "node_network_speed_bytes", device="eth0") == 125_000_000
    assert get(samples, "node_network_address_info", device="eth0", address="10.0.0.5", netmask="24") == 1
    uname = {"sysname": "Linux", "release": "6.1.0", "version": "#1 SMP", "machine": "x86_64"}
    assert get(samples, "node_uname_info", **uname, nodename="dockerhost1") == 1


@pytest.mark.parametrize(("node_name", "expected"), [("edge-1", "edge-1"), ("", "host1")])
def test_the_name_of_the_host(collection: Collection, node_name: str, expected: str) -> None:
    """NODE_NAME is the name of the host; without it and without an Engine, it is that of the kernel."""
    samples = write(replace(collection, engine=None, containers=()), node_name=node_name)
    (labels,) = [dict(labels) for name, labels in samples if name == "node_uname_info"]
    assert labels["nodename"] == expected


def test_host_metrics_can_be_off(collection: Collection) -> None:
    """With HOST_METRICS=off there are no metrics of the host."""
    assert not [name for name, _ in write(collection, includes_host=False) if name.startswith("node_")]


def test_without_an_engine(collection: Collection) -> None:
    """While the Engine is away, containers are absent instead of 0, and the host is there."""
    samples = write(replace(collection, engine=None, containers=()))
    assert get(samples, "docker_engine_up") == 0
    assert get(samples, "node_memory_MemTotal_bytes") == 8_000_000_000
    assert not [name for name, _ in samples if name.startswith(("container_", "docker_container", "docker_images"))]


def test_all_failure_reasons_exist_from_the_start(collection: Collection) -> None:
    """Each reason of a failure has a series before it happens, so that its rate is right."""
    counters = CollectionCounters()
    counters.failures["stats"] = 2
    samples = write(collection, counters=counters)
    assert get(samples, "docker_collection_failures_total", reason="stats") == 2
    assert get(samples, "docker_collection_failures_total", reason="engine_timeout") == 0


def test_what_the_engine_does_not_report_is_absent(collection: Collection) -> None:
    """Parts of memory that an Engine such as Podman does not report have no series."""
    containers = tuple(
        replace(each, usage=replace(each.usage, memory_cache_bytes=None, memory_rss_bytes=None))
        for each in collection.containers
        if each.usage is not None
    )
    names = {name for name, _ in write(replace(collection, containers=containers))}
    assert names.isdisjoint({"container_memory_cache", "container_memory_rss"})
    assert "container_memory_usage_bytes" in names


def test_texts_cannot_break_the_page(collection: Collection) -> None:
    """Names and labels with quotes, backslashes and line ends are escaped."""
    text = 'a"b\\c\nd{e="f"} 1'
    containers = tuple(
        replace(each, container=replace(each.container, image=text, labels={"foo": text}))
        for each in collection.containers
    )
    samples = write(replace(collection, containers=containers), labels=("foo",))
    found = [dict(labels) for name, labels in samples if name == "container_memory_rss"]
    assert [(labels["image"], labels["container_label_foo"]) for labels in found] == [(text, text)] * 2


def test_label_names_that_become_equal_are_one_label(collection: Collection) -> None:
    """Of two container labels with the same name in Prometheus, the first one counts."""
    containers = tuple(
        replace(each, container=replace(each.container, labels={"a.b": "first", "a-b": "second"}))
        for each in collection.containers
    )
    samples = write(replace(collection, containers=containers), labels=("a.b", "a-b"))
    assert all(
        dict(labels)["container_label_a_b"] == "first" for name, labels in samples if name == "container_memory_rss"
    )


def test_every_family_of_the_table_is_written(collection: Collection) -> None:
    """Each family of the table, which docs/agent-metrics.md shows, has a sample on the recorded host."""
    names = {name for name, _ in write(collection)}
    assert {each.name for each in FAMILIES} == names
