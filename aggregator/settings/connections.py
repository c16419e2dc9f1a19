"""Settings of connections from clients, which the gateway and the scrape server share."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from aggregator.settings import types
from aggregator.settings.types import (
    DURATION_EXPECTED,
    ConnectionLimit,
    PositiveSeconds,
    SettingsGroup,
    WordList,
    define_setting,
    validate_each,
)

NETWORKS_EXPECTED = "addresses and networks such as 10.0.0.0/8, separated by commas or spaces"

IpNetworks = tuple[IPv4Network | IPv6Network, ...]
Networks = Annotated[WordList, validate_each(types.check_network)]


class ConnectionSettings(SettingsGroup):
    """The connections of a server."""

    MAX_CONNECTIONS: ConnectionLimit = define_setting(
        10_000,
        "maximum connections of each server, also limited by the file descriptors of the process (ulimit -n)",
        "1 to 1000000",
    )
    TRUSTED_PROXIES: Networks = define_setting(
        (), "proxies whose X-Forwarded-For is trusted", NETWORKS_EXPECTED, "none"
    )
    GRACE: PositiveSeconds = define_setting(
        20.0, "time for requests in flight to finish after SIGTERM", DURATION_EXPECTED
    )

    @property
    def trusted_proxies(self) -> IpNetworks:
        """The networks of TRUSTED_PROXIES."""
        return tuple(map(ip_network, self.TRUSTED_PROXIES))
