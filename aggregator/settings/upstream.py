"""Where the metrics come from."""

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from aggregator.querier.client import Address
from aggregator.settings.addresses import addresses
from aggregator.settings.kinds import Group, setting


def _checked(secret: SecretStr) -> SecretStr:
    addresses(secret.get_secret_value())
    return secret


class UpstreamSettings(Group):
    """Prometheus or Thanos: where it is and how to be let in."""

    PROMETHEUS_ADDRESS: Annotated[SecretStr, AfterValidator(_checked)] = setting(
        ...,
        "base URL of Prometheus or Thanos Query; may end in a slash, have a path, and hold user:password@. Several are "
        "listed with commas between; #name=…&cluster=… at the end of one says what to call it in logs and gaps "
        "(default: host and port), and which cluster its series are of that have no `cluster` label",
        "a URL that begins with http:// or https://, or several",
    )

    @property
    def upstreams(self) -> tuple[Address, ...]:
        """The upstreams that are listed."""
        return addresses(self.PROMETHEUS_ADDRESS.get_secret_value())
