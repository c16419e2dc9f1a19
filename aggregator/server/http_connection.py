"""A connection whose requests are answered at once where that can be: where they are read, in one go."""

from collections.abc import Callable
from dataclasses import dataclass

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from aggregator.server.asgi import Headers, WrittenAnswer, header_lines
from aggregator.server.http_limits import LimitedProtocol, Limits

# What may be answered at once in one read, for no other connection has its turn meanwhile: so many bytes, of which each
# answer counts as the least at least. 64 short ones take 1.5 to 4 ms; to put them in a queue for their turns would take
# half of that, and to answer them from there some 5 to 10.
AT_ONCE_BYTES = 256 * 1024
LEAST_BYTES = 4 * 1024
MOST_AT_ONCE = AT_ONCE_BYTES // LEAST_BYTES
# Bodies up to this length are written together with the answers behind them. After a longer one it is known whether the
# client takes what it asked for.
TOGETHER_BYTES = 16 * 1024

# Method, URL as it came, headers with names in lower case → the answer, None where that takes longer. Never raises.
Replier = Callable[[bytes, bytes, Headers], WrittenAnswer | None]


@dataclass(frozen=True)
class Connection:
    """What a new connection comes with: limits, whom to tell when it is gone, who answers at once, if anybody."""

    limits: Limits
    ended: Callable[[], None]
    reply: Replier | None = None


class QuickProtocol(LimitedProtocol):
    """Answers at once what a replier can; all else is uvicorn's."""

    # How many bytes of this read may still be answered at once; whether the present request was.
    _bytes_left = 0
    _was_at_once = False

    def __init__(self, config: Config, state: ServerState, connection: Connection) -> None:
        super().__init__(config, state, connection.limits, connection.ended)
        self._reply = connection.reply
        # What the server says of itself: another list each second.
        self._said: Headers = []
        self._said_lines = b""
        # Answers to requests that came together: each write is a call to the kernel.
        self._unwritten: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and write what was answered at once."""
        self._bytes_left = AT_ONCE_BYTES
        super().data_received(data)
        self._write()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, behind those before it."""
        self._write()
        super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """Begin to take a header; what uvicorn makes for an application is made when one is needed."""
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def _begin_request(self) -> None:
        # HTTP/1.0 keeps a connection only where both sides say so: uvicorn closes it.
        self._was_at_once = self.parser.get_http_version() == "1.1" and self._answer_at_once()
        if not self._was_at_once:
            # An answer at once may have begun the wait for the next request, which is this.
            self._unset_keepalive_if_required()
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            # In place: the scope that was just made has this list.
            self.headers += headers
            super()._begin_request()

    def _end_request(self) -> None:
        if not self._was_at_once:
            super()._end_request()

    def _answer_at_once(self) -> bool:
        """Answer the request and return True, if nothing before it is still to be answered or to be taken."""
        before: RequestResponseCycle | None = self.cycle
        is_next = before is None or before.response_complete
        if self._reply is None or not is_next or self.flow.write_paused or self._bytes_left <= 0:
            return False
        if self.transport.is_closing() or not self.parser.should_keep_alive():
            return False
        answer = self._reply(self.parser.get_method(), self.url, self.headers)
        if answer is None:
            return False
        self._bytes_left -= max(len(answer.body), LEAST_BYTES)
        if self._said is not self.server_state.default_headers:
            self._said = self.server_state.default_headers
            self._said_lines = header_lines(self._said)
        head = b"%s%s%s\r\n" % (STATUS_LINE[answer.status], self._said_lines, answer.lines)
        self._unwritten += (head, answer.body)
        if len(answer.body) > TOGETHER_BYTES:
            self._write()
        self.on_response_complete()
        return True

    def _write(self) -> None:
        if self._unwritten:
            answers, self._unwritten = self._unwritten, []
            self.transport.writelines(answers)
