"""What the process tells of itself."""

from typing import Literal

from aggregator.settings.kinds import Group, setting


class TellingSettings(Group):
    """Logs, metrics, traces."""

    LOG_LEVEL: Literal["debug", "info", "warning", "error"] = setting(
        "info", "least urgent messages that are logged", "debug, info, warning or error"
    )
    LOG_FORMAT: Literal["text", "json"] | None = setting(
        None, "form of the log on stderr", "text or json", "text on a terminal, else json"
    )
