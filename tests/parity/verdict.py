"""Ask both services about one fleet and say what came of it."""

import json
from collections import Counter
from dataclasses import dataclass, field

import grpc

from tests.parity import etim, go_json
from tests.parity.comparison import ComparisonCase, Deviation, Json, Path, find_deviations
from tests.parity.difference_rules import find_documented_difference
from tests.parity.documented_differences import DocumentedDifference
from tests.parity.fleet_telemetry import FleetTelemetry
from tests.parity.services import ComparedService, ComparisonLane, ServiceError, fetch_fresh_topology

# The Go service walks maps, whose order it draws anew each time. Where two series compete for one place, the
# likelier answer comes seven times of eight; after 30 requests both were seen, but for one time in fifty.
MAX_REPEATED_REQUESTS = 30
NONDETERMINISTIC = "the Go service itself answers now this, now that"


@dataclass
class FleetVerdict:
    """What one fleet showed."""

    breaks: list[str] = field(default_factory=list)
    breaks_by_field: Counter[str] = field(default_factory=Counter)
    documented_counts: Counter[str] = field(default_factory=Counter)
    go_outcome: str = "an answer"


def compare_fleet(
    lane: ComparisonLane, go: ComparedService, ours: ComparedService, fleet: FleetTelemetry
) -> FleetVerdict:
    """Return what the fleet shows."""
    verdict = FleetVerdict()
    with lane.run_prometheus(fleet) as at_seconds:
        try:
            answer = fetch_fresh_topology(ours, at_seconds)
        except ServiceError as gone:
            verdict.breaks.append(str(gone))
            return verdict
        _check_layout(verdict, answer)
        document = json.loads(answer)
        _check_document(verdict, go, fleet, document)
        _check_nodes(verdict, go, ours, ComparisonCase(fleet, {}, document))
    return verdict


def _check_layout(verdict: FleetVerdict, answer: bytes) -> None:
    different = go_json.find_layout_difference(answer.decode("utf-8"))
    if different:
        verdict.breaks.append(f"layout {different}")


def _check_document(verdict: FleetVerdict, go: ComparedService, fleet: FleetTelemetry, document: Json) -> None:
    verdict.breaks += [f"ours has no {key}" for key in ("timestamp", "cluster") if key not in document]
    status, body = go.fetch_topology()
    if go.process.poll() is not None:
        raise ServiceError("the Go service has ended")
    if status != 200 or not body:
        verdict.go_outcome = "nothing: a NaN or infinity" if status == 200 else "nothing: a query that failed"
        verdict.documented_counts[DocumentedDifference.NO_ANSWER] += 1
        return
    case = ComparisonCase(fleet, json.loads(body), document)
    broken = []
    for one in find_deviations(case):
        rule = find_documented_difference(case, one)
        if rule:
            verdict.documented_counts[rule] += 1
        else:
            broken.append(one)
    reproducible = _filter_reproducible(go, case, broken)
    verdict.documented_counts += Counter({NONDETERMINISTIC: len(broken) - len(reproducible)})
    verdict.breaks += [str(one) for one in reproducible]
    verdict.breaks_by_field += Counter(one.describe_location() for one in reproducible)


def _filter_reproducible(go: ComparedService, case: ComparisonCase, broken: list[Deviation]) -> list[Deviation]:
    """Keep the breaks that every one of many answers of the Go service shows at the same node or cluster."""
    for _ in range(MAX_REPEATED_REQUESTS):
        if not broken:
            break
        again = ComparisonCase(case.telemetry, json.loads(go.fetch_topology()[1] or b"{}"), case.ours)
        places = {
            _get_object_path(one.path) for one in find_deviations(again) if not find_documented_difference(again, one)
        }
        broken = [one for one in broken if _get_object_path(one.path) in places]
    return broken


def _get_object_path(path: Path) -> Path:
    return path[:4] if path[2:3] == ("node",) else path[:2]


def _check_nodes(verdict: FleetVerdict, go: ComparedService, ours: ComparedService, case: ComparisonCase) -> None:
    try:
        expected = go.fetch_nodes()
    except grpc.RpcError:
        verdict.documented_counts[DocumentedDifference.NO_ANSWER] += 1
        return
    try:
        found = ours.fetch_nodes()
    except grpc.RpcError as error:
        verdict.breaks.append(f"gRPC: ours answers {error.code().name}")
        return
    for row, text in etim.find_node_differences(case, expected, found):
        if row:
            verdict.documented_counts[row] += 1
        else:
            verdict.breaks.append(text)
            verdict.breaks_by_field["gRPC node"] += 1
