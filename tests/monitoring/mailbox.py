"""An SMTP server that keeps the mails it receives."""

import contextlib
import email
import email.policy
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from demo.prometheus import find_free_port

WAIT_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class ReceivedMail:
    """One mail: recipients in order, subject, sender and text."""

    recipients: tuple[str, ...]
    sender: str
    subject: str
    text: str
    received_at_seconds: float


@dataclass
class Mailbox:
    """The mails in the order of their arrival."""

    port: int
    _mails: list[ReceivedMail] = field(default_factory=list)
    _arrival: threading.Condition = field(default_factory=threading.Condition)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the hook of aiosmtpd
        """Keep a mail."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = email.message_from_bytes(content, EmailMessage, policy=email.policy.default)
        body = message.get_body(("plain",))
        mail = ReceivedMail(
            tuple(envelope.rcpt_tos),
            str(message["From"]),
            str(message["Subject"]),
            body.get_content() if body is not None else "",
            time.time(),
        )
        with self._arrival:
            self._mails.append(mail)
            self._arrival.notify_all()
        return "250 OK"

    def wait_for(self, condition: Callable[[list[ReceivedMail]], bool], timeout_seconds: float) -> list[ReceivedMail]:
        """Wait until the mails fulfil a condition, and return them; fail with their subjects after the timeout."""
        with self._arrival:
            fulfilled = self._arrival.wait_for(lambda: condition(self._mails), timeout_seconds)
            assert fulfilled, [(mail.recipients, mail.subject) for mail in self._mails]
            return list(self._mails)

    def wait_for_subject(self, text: str, count: int = 1, timeout_seconds: float = WAIT_TIMEOUT_SECONDS) -> None:
        """Wait until at least this number of mails has the text in the subject."""
        self.wait_for(lambda mails: sum(text in mail.subject for mail in mails) >= count, timeout_seconds)

    def list_mails(self, text: str) -> list[tuple[str, str]]:
        """Return recipients and subject of the mails with this text in the subject, sorted."""
        with self._arrival:
            return sorted((", ".join(mail.recipients), mail.subject) for mail in self._mails if text in mail.subject)


@contextlib.contextmanager
def run_mailbox() -> Iterator[Mailbox]:
    """Receive mails on a port of 127.0.0.1 while the block runs."""
    mailbox = Mailbox(find_free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
