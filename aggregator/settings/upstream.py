"""Where the metrics come from."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, SecretStr

from aggregator.querier.access import TOKEN, Access, token_of
from aggregator.querier.client import Address
from aggregator.settings.addresses import addresses
from aggregator.settings.headers import headers
from aggregator.settings.kinds import AuthoritiesFile, Group, ReadableFile, setting
from aggregator.settings.replays import Replayed, check, replayed


def _listed(secret: SecretStr) -> SecretStr:
    recording = replayed(secret.get_secret_value())
    if recording is not None:
        check(recording)
    else:
        addresses(secret.get_secret_value())
    return secret


def _headers(secret: SecretStr) -> SecretStr:
    headers(secret.get_secret_value())
    return secret


def _token(secret: SecretStr) -> SecretStr:
    if not TOKEN.fullmatch(secret.get_secret_value()):
        raise ValueError("is no token")
    return secret


def _token_file(path: str) -> str:
    token_of(Path(path))
    return path


class UpstreamSettings(Group):
    """Prometheus or Thanos: where it is and how to be let in."""

    PROMETHEUS_ADDRESS: Annotated[SecretStr, AfterValidator(_listed)] = setting(
        ...,
        "base URL of Prometheus or Thanos Query; may end in a slash, have a path, and hold user:password@. Several are "
        "listed with commas between; #name=…&cluster=… at the end of one says what to call it in logs and gaps, host "
        "and port otherwise, and which cluster its series are of that have no `cluster` label. replay:FILE answers "
        "from a recording instead; #speed=10 at its end replays faster, #speed=max gives each refresh the next one",
        "a URL that begins with http:// or https://, or several; or replay: and a file",
    )
    PROMETHEUS_BEARER_TOKEN: Annotated[SecretStr, AfterValidator(_token)] | None = setting(
        None, "token that every upstream is shown", "one word of ASCII characters", "none"
    )
    PROMETHEUS_BEARER_TOKEN_FILE: Annotated[ReadableFile, AfterValidator(_token_file)] | None = setting(
        None,
        "file that holds the token; read again when it changes",
        "the path of a file that holds one word of ASCII characters",
        "none",
    )
    PROMETHEUS_HEADERS: Annotated[SecretStr, AfterValidator(_headers)] | None = setting(
        None,
        "headers that every upstream is sent, such as a tenant: `X-Scope-OrgID=a,Other=b`, values percent-encoded",
        "Name=value pairs with commas between; none that HTTP itself needs, no Authorization",
        "none",
    )
    PROMETHEUS_CA_FILE: AuthoritiesFile | None = setting(
        None,
        "certificates of the authorities that may vouch for an upstream, instead of the usual ones; a changed file "
        "counts from the next connection on",
        "the path of a file of certificates in PEM form",
        "none",
    )
    PROMETHEUS_CLIENT_CERT_FILE: ReadableFile | None = setting(
        None,
        "client certificate, and those between it and its authority; a changed file counts from the next connection on",
        "the path of a file of certificates in PEM form, and PROMETHEUS_CLIENT_KEY_FILE with it",
        "none",
    )
    PROMETHEUS_CLIENT_KEY_FILE: ReadableFile | None = setting(
        None, "key of the client certificate, not encrypted", "the path of a file of a key in PEM form", "none"
    )
    THANOS: Literal["auto", "on", "off"] = setting(
        "auto",
        "whether deduplicated raw data is asked for, and partial answers or none, which only Thanos understands; "
        "auto: where the upstream lists stores as Thanos does",
        "auto, on or off",
    )
    PARTIAL_RESPONSE: Literal["serve", "abort"] = setting(
        "serve",
        "serve: what is there is shown, marked incomplete; abort: a refresh is whole or does not count, so that the "
        "last whole topology stays until MAX_STALE, and then nothing is shown",
        "serve or abort",
    )

    @property
    def upstreams(self) -> tuple[Address, ...]:
        """The upstreams that are listed; none where a recording stands in for them."""
        return () if self.replay is not None else addresses(self.PROMETHEUS_ADDRESS.get_secret_value())

    @property
    def replay(self) -> Replayed | None:
        """The recording that stands in for the upstreams, None where they are asked."""
        return replayed(self.PROMETHEUS_ADDRESS.get_secret_value())

    @property
    def access(self) -> Access:
        """How they let us in."""
        return Access(
            token=self.PROMETHEUS_BEARER_TOKEN.get_secret_value() if self.PROMETHEUS_BEARER_TOKEN else "",
            token_file=self.PROMETHEUS_BEARER_TOKEN_FILE or "",
            headers=headers(self.PROMETHEUS_HEADERS.get_secret_value()) if self.PROMETHEUS_HEADERS else (),
            ca_file=self.PROMETHEUS_CA_FILE or "",
            certificate_file=self.PROMETHEUS_CLIENT_CERT_FILE or "",
            key_file=self.PROMETHEUS_CLIENT_KEY_FILE or "",
        )

    def contradictions(self) -> Iterator[str]:
        """Yield what the ways to be let in have against each other."""
        yield from super().contradictions()
        token, file = self.PROMETHEUS_BEARER_TOKEN, self.PROMETHEUS_BEARER_TOKEN_FILE
        if token and file:
            yield "PROMETHEUS_BEARER_TOKEN_FILE: is set beside PROMETHEUS_BEARER_TOKEN; expected: one of the two"
        if (token or file) and any(address.user is not None for address in self.upstreams):
            name = "PROMETHEUS_BEARER_TOKEN" + ("" if token else "_FILE")
            yield f"{name}: is set beside a user in PROMETHEUS_ADDRESS; expected: one of the two"
        yield from self._pair_problems()

    def _pair_problems(self) -> Iterator[str]:
        certificate, key = self.PROMETHEUS_CLIENT_CERT_FILE, self.PROMETHEUS_CLIENT_KEY_FILE
        if certificate and key:
            try:
                # A password is never asked for: there is nobody to type it.
                ssl.create_default_context().load_cert_chain(certificate, key, password="")
            except (OSError, ValueError):
                yield "PROMETHEUS_CLIENT_KEY_FILE: is no key of the certificate; expected: its key, not encrypted"
        elif certificate:
            yield "PROMETHEUS_CLIENT_CERT_FILE: is set alone; expected: PROMETHEUS_CLIENT_KEY_FILE with it"
        elif key:
            yield "PROMETHEUS_CLIENT_KEY_FILE: is set alone; expected: PROMETHEUS_CLIENT_CERT_FILE with it"
