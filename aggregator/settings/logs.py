"""Settings of the log, which all processes share."""

from typing import Literal

from aggregator.settings.types import SettingsGroup, define_setting


class LogSettings(SettingsGroup):
    """The log of a process."""

    LOG_LEVEL: Literal["debug", "info", "warning", "error"] = define_setting(
        "info", "lowest level that is logged", "debug, info, warning or error"
    )
    LOG_FORMAT: Literal["text", "json"] | None = define_setting(
        None, "format of the log on stderr", "text or json", "text on a terminal, json otherwise"
    )
