"""Sending alerts: a webhook's POST, a mail."""

import platform
import smtplib
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import partial
from pathlib import Path
from textwrap import shorten

import requests

from optimizer import DataError, PackfolioError
from resources.alerts.conditions import Alert
from resources.alerts.settings import MailFile, NotifyFile, WebhookFile, secret
from resources.ledger.record_error import in_a_line

SECONDS = 20.0
Send = Callable[[Sequence[Alert]], str]
TEST = Alert("test", "test", "a test of Packfolio's alerts, sent by hand: nothing is wrong")


@dataclass(frozen=True)
class Tried:
    """Whether a channel took the test message, and what it answered."""

    channel: str
    taken: bool
    said: str


def channels(file: NotifyFile, home: Path) -> Mapping[str, Send]:
    """Name of each channel -> how to send; sending gives the answer, and raises DataError where it is not taken.

    home  names the desk where the file does not: who reads may have several
    """
    desk = in_a_line(file.desk or f"{home} on {platform.node()}")
    hooks: dict[str, Send] = {hook.name: partial(post, hook, desk) for hook in file.webhooks}
    boxes: dict[str, Send] = {box.name: partial(write, box, desk) for box in file.mail}
    return {**hooks, **boxes}


def tried(ways: Mapping[str, Send]) -> list[Tried]:
    """One test message to each channel; what one does not take keeps it from no other."""
    found = []
    for name, send in ways.items():
        try:
            found.append(Tried(name, True, send([TEST])))
        except PackfolioError as error:
            found.append(Tried(name, False, str(error)))
    return found


def post(hook: WebhookFile, desk: str, alerts: Sequence[Alert]) -> str:
    """One POST with all alerts; raises DataError without the address, which may be a secret."""
    body = {
        "text": text_of(desk, alerts),
        "desk": desk,
        "alerts": [{"key": alert.key, "kind": alert.kind, "said": in_a_line(alert.said)} for alert in alerts],
    }
    try:
        answer = requests.post(hook.address(), json=body, timeout=SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        raise DataError(f"webhook {hook.name} was not reached: {type(error).__name__}") from None
    if not answer.ok or answer.is_redirect:
        raise DataError(f"webhook {hook.name} answered with status {answer.status_code}")
    return f"webhook {hook.name} answered with status {answer.status_code}"


def write(box: MailFile, desk: str, alerts: Sequence[Alert]) -> str:
    """One mail with all alerts; raises DataError where the server does not take it."""
    mail = EmailMessage()
    more = f" (and {len(alerts) - 1} more)" if alerts[1:] else ""
    mail["Subject"] = f"Packfolio, {desk}: {shorten(in_a_line(alerts[0].said), 70, placeholder=' ...')}{more}"
    mail["From"], mail["To"] = box.sender, ", ".join(box.to)
    # Not every server adds them, and some refuse a mail without.
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain=box.sender.rpartition("@")[2])
    mail.set_content(text_of(desk, alerts) + "\n")
    try:
        with smtplib.SMTP(box.host, box.port, timeout=SECONDS) as server:
            if box.starttls:
                server.starttls(context=ssl.create_default_context())
            if box.user and box.password_env:
                server.login(box.user, secret(box.password_env, box.name))
            server.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        raise DataError(
            f"mail {box.name} was not taken by {box.host}:{box.port}: {type(error).__name__}"
        ) from None
    return f"mail {box.name} was taken by {box.host}:{box.port} for {', '.join(box.to)}"


def text_of(desk: str, alerts: Sequence[Alert]) -> str:
    """The desk, then a line an alert: names in it are of others, and may hold what would be a line of a mail."""
    return "\n".join([f"{desk}:", *(in_a_line(alert.said) for alert in alerts)])
