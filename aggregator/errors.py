"""Every error of ours, arranged by what the one who meets it can do.

::

    AggregatorError
    ├── SettingsError            mend the environment and start again
    ├── PortInUseError           free the port or choose another
    ├── CertificateError         mend the file that is named; the last good one stays in use
    ├── PartEndedError           start the program again; the log says what broke
    ├── QueryError               one query has no answer; the others may
    │   ├── UnreachableError     the connection broke or never stood: ask again later
    │   │   └── NotListeningError    nobody is there at all: do not even ask the rest
    │   ├── TooSlowError         the answer did not come in time: ask again later, or ask for less
    │   ├── RefusedError         Prometheus answered with an error: read its reason
    │   ├── TooLargeError        the answer is over the cap: raise the cap or ask for less
    │   ├── MalformedError       what came is no answer to an instant query: look at what stands at the address
    │   └── NotRecordedError     the recording that is replayed has no answer to it: make a new one
    ├── RefreshFailedError       no snapshot could be taken: the last one stays
    ├── KeySetError              an issuer's keys could not be had: the last ones stay
    ├── RecordingError           the file is no recording that can be replayed: name another
    ├── NoTopologyError          there is no usable snapshot: come back later
    ├── RequestError
    │   ├── BadRequestError      mend the request as the text says
    │   ├── NotFoundError        ask for something that is there; the nearest names are told
    │   ├── WrongMethodError     ask with a method that is allowed
    │   └── VersionGoneError     ask for the first page again
    └── AccessError
        ├── TokenRefusedError    send a valid token
        ├── NotAllowedError      have a role added to what the token says
        └── KeysMissingError     the token's issuer cannot be asked for its keys: come back later
"""

from collections.abc import Sequence

# Of a name in a text: over gRPC, clients refuse a status of more than 8 KiB, in which a letter may take twelve bytes.
LONGEST_NAME = 120
# All that those may learn who may not learn what the upstream said.
NO_TOPOLOGY = "no topology to show"


class AggregatorError(Exception):
    """The root of all errors that this program raises on purpose."""


class SettingsError(AggregatorError):
    """The environment holds settings that cannot be used.

    `problems` has one line for each: the variable, what is wrong with it, what is expected.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class PortInUseError(AggregatorError):
    """A server could not listen where it was told to."""


class CertificateError(AggregatorError):
    """A file for TLS cannot be used; the text says which and why, and repeats nothing of it."""


class PartEndedError(AggregatorError):
    """A part of the program that has to run ended by itself."""


class QueryError(AggregatorError):
    """One query of a refresh has no usable answer; the text says why, without the query's name.

    `may_use_last_answer` tells whether the upstream said nothing against the query itself, so that
    what it answered a moment ago still stands for it.
    """

    may_use_last_answer = True


class UnreachableError(QueryError):
    """No connection, or one that broke before the answer was whole."""


class NotListeningError(UnreachableError):
    """The connection was refused: nothing was asked, so asking again cannot ask twice."""


class TooSlowError(QueryError):
    """The answer did not come within the time that the query, or the whole refresh, may take."""


class RefusedError(QueryError):
    """The upstream answered with an HTTP status other than 200.

    `retry_after_seconds` is what it asked us to wait, None if it did not say.
    """

    def __init__(self, status: int, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"HTTP {status}: {reason}")
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        # 4xx but "too many requests" is about the query: what it answered earlier is not what is asked now.
        self.may_use_last_answer = status >= 500 or status == 429


class TooLargeError(QueryError):
    """The answer holds more bytes than one answer may."""


class MalformedError(QueryError):
    """The bytes are not the JSON of an instant vector."""


class NotRecordedError(QueryError):
    """The recording that stands in for an upstream holds nothing of this query."""

    may_use_last_answer = False


class RefreshFailedError(AggregatorError):
    """No snapshot could be taken; the text says why, `failures` holds each query's."""

    def __init__(self, reason: str, failures: tuple[QueryError, ...]) -> None:
        super().__init__(reason)
        self.failures = failures


class KeySetError(AggregatorError):
    """What an issuer published could not be had, or is no set of keys; `reason` is a constant word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RecordingError(AggregatorError):
    """A file cannot be replayed; the text says why and repeats nothing of it."""


class NoTopologyError(AggregatorError):
    """No snapshot was ever taken, or the last one is too old to be shown; the text says why."""


class RequestError(AggregatorError):
    """A request that cannot be answered as it is.

    The text says what is wrong and what would be right. The same for programs: `parameter`, what `allowed` has to
    offer, and the names in it that are `nearest` to what was sent.
    """

    def __init__(
        self, detail: str, *, parameter: str = "", allowed: Sequence[str] = (), nearest: Sequence[str] = ()
    ) -> None:
        like = ", ".join(name[:LONGEST_NAME] for name in nearest)
        told = f"; nearest: {like}" if nearest else f"; allowed: {', '.join(allowed)}" if allowed else ""
        super().__init__(detail + told)
        self.parameter = parameter
        self.allowed = tuple(allowed)
        self.nearest = tuple(nearest)


class BadRequestError(RequestError):
    """A parameter does not exist, or what it says cannot be understood."""


class NotFoundError(RequestError):
    """Nothing has the name that is asked for, or nothing that the caller may see."""


class WrongMethodError(RequestError):
    """What is at the path cannot be asked for by this method; `allowed` are those by which it can."""


class VersionGoneError(RequestError):
    """The topology that the first pages of a list are from is not kept any more."""


class AccessError(AggregatorError):
    """The caller may not have what it asks for.

    `reason` is a constant text for logs, metrics and readiness; the caller who is refused is never told it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenRefusedError(AccessError):
    """There is no token, or it does not hold."""


class NotAllowedError(AccessError):
    """The token holds and opens nothing here: it lacks the role that is asked for."""


class KeysMissingError(AccessError):
    """The token cannot be judged: its issuer's keys were never had; `retry_after_seconds` is when to come back."""

    def __init__(self, reason: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
