"""Steady requests to the example service, so that its rates, ratios and panels have values.

`python -m demo.example_service.load URL` requests each endpoint about twice a second until a signal.
"""

import contextlib
import http.client
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 12.0
# One of so many requests asks for something that does not exist, or stores an entry.
RARE = 10


@dataclass(frozen=True)
class LoadRequest:
    """One request; `body` is JSON."""

    method: str
    path: str
    body: str | None = None


def generate_dni_requests() -> Iterator[LoadRequest]:
    """Yield requests for persons, a few of them unknown."""
    for number in itertools.count():
        yield LoadRequest("GET", "/dni/" + ("12345678A" if number % RARE else "00000000T"))


def generate_flight_requests() -> Iterator[LoadRequest]:
    """Yield requests for flights, a few of them unknown."""
    for number in itertools.count():
        yield LoadRequest("GET", "/flights/" + ("AA123" if number % RARE else "ZZ999"))


def generate_entry_requests(first_number: int) -> Iterator[LoadRequest]:
    """Yield immigration entries, few of which are stored."""
    for number in itertools.count():
        entry = {
            "name": "Traveller",
            "dni": str(first_number + number),
            "lodging": "Hotel Sol",
            "declared_money": 800,
            "flight_number": "AA123",
            "smoke": number % RARE != 0,
        }
        yield LoadRequest("POST", "/immigration", json.dumps(entry))


def send_requests(netloc: str, requests: Iterator[LoadRequest]) -> None:
    """Send requests with pauses, whatever the responses are."""
    for request in requests:
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(http.client.HTTPConnection(netloc, timeout=TIMEOUT_SECONDS)) as connection,
        ):
            headers = {"Content-Type": "application/json"} if request.body else {}
            connection.request(request.method, request.path, request.body, headers)
            connection.getresponse().read()
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Send the requests of each endpoint on a thread of its own, because a slow endpoint must not delay others."""
    if len(sys.argv) != 2 or not urlsplit(sys.argv[1]).netloc:
        sys.exit("usage: python -m demo.example_service.load URL")
    netloc = urlsplit(sys.argv[1]).netloc
    streams = generate_dni_requests(), generate_flight_requests(), generate_entry_requests(int(time.time() * 1000))
    threads = [threading.Thread(target=send_requests, args=(netloc, stream), daemon=True) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
