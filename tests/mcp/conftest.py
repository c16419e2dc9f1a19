"""The tools, in the process of a gateway that shows the recorded fleet of the demo."""

from collections.abc import Sequence

import pytest

from aggregator.mcp.server import build_mcp_server
from aggregator.observability.instrumentation import Instrumentation
from aggregator.observability.metrics import OwnMetrics
from aggregator.refresh.snapshot import Snapshot
from aggregator.server.auth.guard import UNRESTRICTED_ACCESS
from aggregator.server.http.app import HttpAppOptions, create_http_app
from aggregator.server.http.mcp import InProcessApi
from aggregator.server.status import Readiness
from demo.recording import REFRESH_COUNT, SHIPPED_RECORDING
from tests.demo.replay import replay_snapshots
from tests.mcp.tool_calls import ToolCaller
from tests.server.snapshot_provider import FakeSnapshotProvider


@pytest.fixture(scope="session")
def recorded_fleet() -> Sequence[Snapshot]:
    """The refreshes of the demo's recording."""
    return replay_snapshots(SHIPPED_RECORDING, REFRESH_COUNT)


@pytest.fixture
def provider(recorded_fleet: Sequence[Snapshot]) -> FakeSnapshotProvider:
    """What the gateway shows."""
    return FakeSnapshotProvider(recorded_fleet[0])


@pytest.fixture
def tools(provider: FakeSnapshotProvider) -> ToolCaller:
    """The tools for a caller without restrictions."""
    app = create_http_app(provider, Readiness(provider.get_snapshot), Instrumentation(OwnMetrics()), HttpAppOptions())
    return ToolCaller(build_mcp_server(lambda _request: InProcessApi(app, UNRESTRICTED_ACCESS)))
