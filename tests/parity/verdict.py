"""Ask both services about one fleet and say what came of it."""

import json
from collections import Counter
from dataclasses import dataclass, field

import grpc

from tests.parity import etim, layout
from tests.parity.compare import Case, Deviation, Json, Path, deviations
from tests.parity.documented import Row
from tests.parity.peers import Lane, PeerError, Server, fresh
from tests.parity.rules import rule_for
from tests.parity.telemetry import Telemetry

# The Go service walks maps, whose order it draws anew each time. Where two series compete for one place, the
# likelier answer comes seven times of eight; after 30 requests both were seen, but for one time in fifty.
ASKS = 30
DRAWN = "the Go service itself answers now this, now that"


@dataclass
class Verdict:
    """What one fleet showed."""

    breaks: list[str] = field(default_factory=list)
    fields: Counter[str] = field(default_factory=Counter)
    documented: Counter[str] = field(default_factory=Counter)
    go_answered: str = "an answer"


def judge(lane: Lane, go: Server, ours: Server, fleet: Telemetry) -> Verdict:
    """Return what the fleet shows."""
    verdict = Verdict()
    with lane.holding(fleet) as at_seconds:
        try:
            answer = fresh(ours, at_seconds)
        except PeerError as gone:
            verdict.breaks.append(str(gone))
            return verdict
        _judge_layout(verdict, answer)
        document = json.loads(answer)
        _judge_document(verdict, go, fleet, document)
        _judge_nodes(verdict, go, ours, Case(fleet, {}, document))
    return verdict


def _judge_layout(verdict: Verdict, answer: bytes) -> None:
    different = layout.difference(answer.decode("utf-8"))
    if different:
        verdict.breaks.append(f"layout {different}")


def _judge_document(verdict: Verdict, go: Server, fleet: Telemetry, document: Json) -> None:
    verdict.breaks += [f"ours has no {key}" for key in ("timestamp", "cluster") if key not in document]
    status, body = go.get()
    if go.process.poll() is not None:
        raise PeerError("the Go service has ended")
    if status != 200 or not body:
        verdict.go_answered = "nothing: a NaN or infinity" if status == 200 else "nothing: a query that failed"
        verdict.documented[Row.NO_ANSWER] += 1
        return
    case = Case(fleet, json.loads(body), document)
    broken = []
    for one in deviations(case):
        rule = rule_for(case, one)
        if rule:
            verdict.documented[rule] += 1
        else:
            broken.append(one)
    steady = _steady(go, case, broken)
    verdict.documented += Counter({DRAWN: len(broken) - len(steady)})
    verdict.breaks += [str(one) for one in steady]
    verdict.fields += Counter(one.place() for one in steady)


def _steady(go: Server, case: Case, broken: list[Deviation]) -> list[Deviation]:
    """Keep the breaks that every one of many answers of the Go service shows at the same node or cluster."""
    for _ in range(ASKS):
        if not broken:
            break
        again = Case(case.telemetry, json.loads(go.get()[1] or b"{}"), case.ours)
        places = {_place(one.path) for one in deviations(again) if not rule_for(again, one)}
        broken = [one for one in broken if _place(one.path) in places]
    return broken


def _place(path: Path) -> Path:
    return path[:4] if path[2:3] == ("node",) else path[:2]


def _judge_nodes(verdict: Verdict, go: Server, ours: Server, case: Case) -> None:
    try:
        expected = go.nodes()
    except grpc.RpcError:
        verdict.documented[Row.NO_ANSWER] += 1
        return
    try:
        found = ours.nodes()
    except grpc.RpcError as error:
        verdict.breaks.append(f"gRPC: ours answers {error.code().name}")
        return
    for row, text in etim.differences(case, expected, found):
        if row:
            verdict.documented[row] += 1
        else:
            verdict.breaks.append(text)
            verdict.fields["gRPC node"] += 1
