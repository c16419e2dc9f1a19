"""Errors of aiohttp for people."""

import os

import aiohttp


def describe_client_error(error: Exception) -> str:
    """Return the reason of a failed request, in one short sentence."""
    if isinstance(error, TimeoutError):
        return "no response in time"
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.strerror:
        number = error.os_error.errno
        # The text of asyncio has the address in place of the reason; errors of name resolution have negative numbers.
        reason = os.strerror(number) if number and number > 0 else error.os_error.strerror
        return f"cannot connect: {reason}"
    return str(error) or type(error).__name__
