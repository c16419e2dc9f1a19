"""A mail server that shows mails instead of delivering them."""

import contextlib
import email
import email.policy
import itertools
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from demo.gateway import LOOPBACK


class MailSink:
    """Stores each mail as a file and reports it."""

    def __init__(self, folder: Path, report: Callable[[str], None]) -> None:
        self._folder = folder
        self._report = report
        self._numbers = itertools.count(1)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - of aiosmtpd
        """Accept a mail."""
        path = self._folder / f"{next(self._numbers):04}.eml"
        content: Any = envelope.content
        path.write_bytes(content)
        message = email.message_from_bytes(content, policy=email.policy.default)
        self._report(format_mail(message, path))
        return "250 OK"


@contextlib.contextmanager
def run_mail_sink(folder: Path, port: int, report: Callable[[str], None]) -> Iterator[str]:
    """Run the server on the loopback interface while the block runs; yield its address."""
    folder.mkdir(parents=True, exist_ok=True)
    controller = Controller(MailSink(folder, report), hostname=LOOPBACK, port=port)
    controller.start()
    try:
        yield f"{LOOPBACK}:{port}"
    finally:
        controller.stop()


def format_mail(message: EmailMessage, path: Path) -> str:
    """Return what a terminal shows of a mail, without characters that control it."""
    body = message.get_body(preferencelist=("plain",))
    text = str(body.get_content()).strip() if body is not None else ""
    lines = [f"mail to {message['To']}: {message['Subject']}", *text.splitlines(), f"the whole mail: {path}"]
    return "\n" + "\n".join("  " + "".join(filter(_is_visible, line)) for line in lines) + "\n"


def _is_visible(character: str) -> bool:
    return character.isprintable() or character == "\t"
