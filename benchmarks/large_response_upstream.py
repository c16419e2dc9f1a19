"""A fake Prometheus with one very large response: python -m benchmarks.large_response_upstream PROMQL MEBIBYTES.

It prints its port and serves until it is terminated.
"""

import http.server
import sys
from urllib.parse import parse_qs, urlsplit

RESPONSE_PREFIX = b'{"status":"success","data":{"resultType":"vector","result":['
RESPONSE_SUFFIX = b"]}}"
# A series as Prometheus writes it, of a host that the topology does not contain.
SERIES_TEMPLATE = (
    b'{"metric":{"icos_host_id":"a04a67ba785345598000000000%06x","icos_host_name":"08c66cd5:k8s-worker",'
    b'"net_host_name":"10.0.0.1"},"value":[1795208200.5,"8325951488"]}'
)


def build_response(mebibytes: int) -> bytes:
    """Return a response body of about that size."""
    count = mebibytes * 2**20 // len(SERIES_TEMPLATE)
    return (
        RESPONSE_PREFIX + b",".join([SERIES_TEMPLATE % (number % 2**24) for number in range(count)]) + RESPONSE_SUFFIX
    )


def main(promql: str, mebibytes: int) -> None:
    """Serve forever."""
    large_response, empty_response = build_response(mebibytes), build_response(0)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            (asked,) = parse_qs(urlsplit(self.path).query)["query"]
            body = large_response if asked == promql else empty_response
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
