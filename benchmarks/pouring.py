"""A stand-in for Prometheus that answers one query with very much: python -m benchmarks.pouring PROMQL MEBIBYTES.

It prints its port and serves until it is ended.
"""

import http.server
import sys
from urllib.parse import parse_qs, urlsplit

HEAD = b'{"status":"success","data":{"resultType":"vector","result":['
TAIL = b"]}}"
# As Prometheus writes the series of a host; none of these hosts is known.
SERIES = (
    b'{"metric":{"icos_host_id":"a04a67ba785345598000000000%06x","icos_host_name":"08c66cd5:k8s-worker",'
    b'"net_host_name":"10.0.0.1"},"value":[1795208200.5,"8325951488"]}'
)


def answer(mebibytes: int) -> bytes:
    """Return an answer of about that size."""
    count = mebibytes * 2**20 // len(SERIES)
    return HEAD + b",".join([SERIES % (number % 2**24) for number in range(count)]) + TAIL


def main(promql: str, mebibytes: int) -> None:
    """Serve for ever."""
    large, empty = answer(mebibytes), answer(0)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            (asked,) = parse_qs(urlsplit(self.path).query)["query"]
            body = large if asked == promql else empty
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
