"""Negotiates the content type of a page."""

TEXT_0_0_4 = "text/plain; version=0.0.4; charset=utf-8"
# The same format for a client that accepts only the later version. All names are written without escaping.
TEXT_1_0_0 = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"


def negotiate_content_type(accept: str) -> str:
    """Return the content type for an Accept header: text 0.0.4, unless the client accepts only version 1.0.0 of it.

    Every Prometheus accepts text 0.0.4. A client that accepts nothing of the kind gets it, too, as from the client
    libraries of Prometheus.
    """
    versions = {_read_text_version(item) for item in accept.lower().split(",")}
    return TEXT_1_0_0 if "1.0.0" in versions and not versions & {"", "0.0.4"} else TEXT_0_0_4


def _read_text_version(item: str) -> str | None:
    """Return the version of text/plain that an item of the header accepts, "" for any, None for no text."""
    media_type, *parameters = (part.strip() for part in item.split(";"))
    values = dict(parameter.replace(" ", "").partition("=")[::2] for parameter in parameters)
    if media_type not in ("text/plain", "text/*", "*/*") or values.get("q", "1").strip("0.") == "":
        return None
    return values.get("version", "").strip('"')
