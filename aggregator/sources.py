"""The sources that the settings name: upstreams that are asked, or a recording that stands in for them."""

from dataclasses import dataclass, field

from aggregator.models.catalog import CATALOG
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.effort import Upstream
from aggregator.querier.gather import Gatherer, Source
from aggregator.querier.thanos import Dialect
from aggregator.recording.replay import Pace, Replay
from aggregator.recording.tape import Tape
from aggregator.secrets import Secrets
from aggregator.settings import Settings
from aggregator.take import PRESENT, Plan, Taker, Timeline, Views
from aggregator.telemetry import Telemetry


@dataclass(frozen=True)
class Sources:
    """What is asked, by source, and which moment it is there; `tape` is the recording where one is replayed.

    `secrets` are in nothing that is told of what the upstreams said.
    """

    upstreams: tuple[tuple[Source, Upstream], ...]
    timeline: Timeline = PRESENT
    tape: Tape | None = None
    secrets: Secrets = field(default_factory=Secrets)

    @property
    def names(self) -> tuple[str, ...]:
        """What the sources are called."""
        return tuple(source.name for source, _ in self.upstreams)


def sources_of(settings: Settings, secrets: Secrets) -> Sources:
    """Return the sources; none is asked yet. Raises RecordingError where a recording cannot be read any more."""
    if settings.replay is None:
        clients = ((_source(address), client_of(settings, secrets, address)) for address in settings.upstreams)
        return Sources(tuple(clients), secrets=secrets)
    tape = Tape(settings.replay.path)
    replays = (
        (Source(each.name, each.cluster), Replay(tape, each.name, settings.MAX_ANSWER_BYTES))
        for each in tape.header.sources
    )
    return Sources(tuple(replays), Pace(tape, settings.replay.speed), tape, secrets)


def gatherers_of(settings: Settings, sources: Sources, telemetry: Telemetry | None = None) -> list[Gatherer]:
    """Return what asks each source all queries of a refresh."""
    return [
        Gatherer(upstream, settings.QUERY_CONCURRENCY, settings.REFRESH_TIMEOUT, source, telemetry, sources.secrets)
        for source, upstream in sources.upstreams
    ]


def taker_of(settings: Settings, sources: Sources, views: Views, telemetry: Telemetry | None = None) -> Taker:
    """Return what takes snapshots of the sources as the settings want it."""
    plan = Plan(
        CATALOG,
        settings.MAX_STALE,
        settings.CLUSTER_NAME,
        whole_only=settings.PARTIAL_RESPONSE == "abort",
        vanished_notice_seconds=settings.VANISHED_NOTICE,
    )
    return Taker(gatherers_of(settings, sources, telemetry), plan, views, sources.timeline)


def _source(address: Address) -> Source:
    return Source(address.name, address.cluster)


def client_of(settings: Settings, secrets: Secrets, address: Address) -> Client:
    """Return what asks an upstream as the settings want it."""
    limits = Limits(settings.QUERY_TIMEOUT, settings.MAX_ANSWER_BYTES, settings.QUERY_CONCURRENCY)
    dialect = Dialect(settings.THANOS, serves_partial=settings.PARTIAL_RESPONSE == "serve", source=address.name)
    return Client(address, limits, settings.access, dialect, secrets)
