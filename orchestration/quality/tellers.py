"""Who is told: what MILLRACE_ALERTS names. A destination that can tell (Slack, a webhook), or mailto: and an address."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Protocol, cast
from urllib.parse import unquote, urlsplit

from ingestion.settings import Settings
from orchestration.destinations.register import load_destinations

MAILTO = "mailto:"
SUBJECT_LETTERS = 120
SECONDS = 10.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Teller(Protocol):
    """Where alerts go."""

    def tell(self, sentence: str) -> bool:
        """Whether the sentence was taken. Never raises for what a network or a receiver does."""
        ...


class Mail:
    """E-mail through the server that MILLRACE_SMTP names: smtp://user:password@host:587 or smtps://…"""

    def __init__(self, to: str, server: str) -> None:
        self._to, self._server = to, urlsplit(server)
        if self._server.scheme not in ("smtp", "smtps") or not self._server.hostname:
            raise ValueError(
                "MILLRACE_SMTP must be smtp://user:password@host:port or smtps://…; without it no mail can be sent."
            )

    def tell(self, sentence: str) -> bool:
        try:
            with self._connected() as connection:
                connection.send_message(self._message(sentence))
        except (OSError, smtplib.SMTPException):
            return False
        return True

    def _connected(self) -> smtplib.SMTP:
        """Logged in. What is no loopback speaks TLS or is not spoken to: the password would be in the open."""
        host = str(self._server.hostname)
        context = ssl.create_default_context()
        connection: smtplib.SMTP
        if self._server.scheme == "smtps":
            connection = smtplib.SMTP_SSL(
                host, self._server.port or 465, timeout=SECONDS, context=context
            )
        else:
            connection = smtplib.SMTP(host, self._server.port or 587, timeout=SECONDS)
            if host not in LOOPBACK:
                connection.starttls(context=context)
        if self._server.username:
            connection.login(
                unquote(self._server.username), unquote(self._server.password or "")
            )
        return connection

    def _message(self, sentence: str) -> EmailMessage:
        message = EmailMessage()
        message["To"] = self._to
        message["From"] = f"millrace@{self._server.hostname}"
        message["Subject"] = f"Millrace: {' '.join(sentence.split())[:SUBJECT_LETTERS]}"
        message.set_content(sentence)
        return message


@contextmanager
def tellers(settings: Settings) -> Iterator[list[Teller]]:
    """All that are named, separated by commas."""
    names = [
        name.strip() for name in (settings.alerts or "").split(",") if name.strip()
    ]
    mails = [name.removeprefix(MAILTO) for name in names if name.startswith(MAILTO)]
    wanted = [name for name in names if not name.startswith(MAILTO)]
    made = load_destinations(settings.destinations_file, wanted, settings.outbox)
    server = settings.smtp.get_secret_value() if settings.smtp else ""
    try:
        found = [cast(Teller, d) for d in made.values() if hasattr(d, "tell")]
        yield [*found, *(Mail(address, server) for address in mails)]
    finally:
        for destination in made.values():
            destination.close()
