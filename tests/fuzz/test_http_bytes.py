"""Bytes that no honest client writes, to both gateways over HTTP: how each case is answered, and what is left of it."""

from collections.abc import Callable
from functools import cache
from random import Random

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.conftest import Guarded
from tests.fuzz.effort import TIMES, dice, tries
from tests.fuzz.http_cases import CASES, SECOND, get, post
from tests.fuzz.wire import Framed, exchanges, framed
from tests.integration.process import Gateway, until
from tests.server.exchange import ask, raw

ROUNDS = 4
# A request that is taken, and one of the longest at that.
LONG = get(b"/", more=b"".join(b"X-%04d: %s\r\n" % (number, b"x" * 1_000) for number in range(30)))
# What stands in every topology of the fleet and in nothing else that is served.
TELLTALE = b"tampere-master"

Asked = Callable[[int], dict[str, bytes]]
each_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def asked() -> Asked:
    """What comes back for all cases from a port, asked once."""
    return cache(lambda port: exchanges(port, {name: case.request for name, case in CASES.items()}))


def answered(asked: Asked, gateway: Gateway, name: str) -> list[Framed]:
    """Return the answers to a case, each as its own frame has it and none too many or an internal error."""
    case = CASES[name]
    answers = list(framed(asked(gateway.http)[name], case.methods))
    assert len(answers) <= case.answers
    assert all(answer.status < 500 for answer in answers)
    if case.is_refused:
        assert {answer.status for answer in answers} <= {400, 431}
    return answers


@each_case
def test_without_a_key(asked: Asked, opened: Gateway, name: str) -> None:
    """Whatever is written, each answer has its frame, no request gets two, and what is broken gets none but 400."""
    answered(asked, opened, name)


@each_case
def test_with_a_key(asked: Asked, guarded: Guarded, name: str) -> None:
    """The same, and nothing of the topology is in any of the answers."""
    for answer in answered(asked, guarded.gateway, name):
        assert TELLTALE not in answer.body


def test_the_telltale_tells(opened: Gateway, guarded: Guarded) -> None:
    """What the other tests look for is there where it may be."""
    assert TELLTALE in ask(opened.http).body
    assert TELLTALE in ask(guarded.gateway.http, headers=[("Authorization", guarded.bearer)]).body


def test_a_trailer_is_no_header(guarded: Guarded) -> None:
    """A token behind the body of a request does not open, and does not close what the header opened."""
    line = b"Authorization: %s\r\n" % guarded.bearer.encode()
    chunked, trailer = b"Transfer-Encoding: chunked\r\nConnection: close\r\n", b"0\r\n" + line + b"\r\n"
    came = exchanges(
        guarded.gateway.http, {"trailer": post(chunked, trailer), "both": post(line + chunked, trailer + SECOND)}
    )
    assert [answer.status for answer in framed(came["trailer"])] == [401]
    assert [answer.status for answer in framed(came["both"])] == [200]


def test_one_token_opens_one_request(guarded: Guarded) -> None:
    """Of requests in one connection, each shows its own token."""
    opening = b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % guarded.bearer.encode()
    came = exchanges(guarded.gateway.http, {"": opening + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + opening + SECOND})
    assert [answer.status for answer in framed(came[""])] == [200, 401, 200, 401]


@tries(100)
@given(st.lists(st.binary(max_size=60) | st.binary(max_size=40).map(b"Bearer ".__add__), min_size=1, max_size=3))
def test_any_authorization_is_refused(guarded: Guarded, values: list[bytes]) -> None:
    """Whatever bytes Authorization holds, once or several times, it is refused, and no good token beside it helps."""
    lines = [b"Authorization: " + value.translate(None, b"\r\n") + b"\r\n" for value in values]
    good = b"Authorization: %s\r\n" % guarded.bearer.encode()
    for more in (b"".join(lines), b"".join([*lines, good]), b"".join([good, *lines])):
        (answer,) = framed(raw(guarded.gateway.http, get(b"/", more=more)))
        # 400 where no header may hold these bytes at all.
        assert answer.status in (400, 401)
        assert TELLTALE not in answer.body


def test_random_bytes(opened: Gateway) -> None:
    """Requests with bytes changed, left out and put in at random are answered in frames, never by an internal error."""
    random = dice("http")
    wholes = [case.request for case in CASES.values() if len(case.request) < 2_000]
    for _ in range(TIMES):
        requests = {str(number): _mutated(random.choice(wholes), random) for number in range(200)}
        for name, received in exchanges(opened.http, requests).items():
            # Nobody knows what methods the bytes ask with: where HEAD is not among them, all have bodies.
            if b"HEAD" not in requests[name]:
                assert all(answer.status < 500 for answer in framed(received)), requests[name]


def _mutated(request: bytes, random: Random) -> bytes:
    changed = bytearray(request)
    for _ in range(random.randint(1, 5)):
        at = random.randrange(len(changed) + 1)
        changed[at : at + random.randint(0, 2)] = random.choice([b"", b"\r\n", b"\0", b":", b" ", random.randbytes(2)])
    return bytes(changed)


def test_nothing_is_left_of_it(opened: Gateway) -> None:
    """After all of it no connection is left, and memory has grown by less than a fifth of what was written."""
    process = psutil.Process(opened.process.pid)
    requests = {f"{name} {turn}": case.request for name, case in CASES.items() for turn in range(2)}
    requests |= {f"long {number}": LONG for number in range(100)}
    exchanges(opened.http, requests)
    memory, written = process.memory_info().rss, 0
    for _ in range(ROUNDS * TIMES):
        exchanges(opened.http, requests)
        written += sum(map(len, requests.values()))
    until(lambda: not connected(process, opened.http), "connections are closed")
    assert process.memory_info().rss - memory < written / 5
    assert ask(opened.http, "/readyz").status == 200
    assert opened.process.poll() is None


def connected(process: psutil.Process, port: int) -> list[object]:
    """Return the connections of clients that a process holds on a port."""
    connections = process.net_connections("tcp")
    return [one for one in connections if one.status != psutil.CONN_LISTEN and one.laddr.port == port]
