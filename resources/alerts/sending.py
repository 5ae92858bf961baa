"""Sending alerts: a webhook's POST, a mail."""

import smtplib
import ssl
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from functools import partial

import requests

from optimizer import DataError
from resources.alerts.conditions import Alert
from resources.alerts.settings import MailFile, NotifyFile, WebhookFile, secret

SECONDS = 20.0
Send = Callable[[Sequence[Alert]], None]


def channels(file: NotifyFile) -> Mapping[str, Send]:
    """Name of each channel -> how to send; sending raises DataError where it is not taken."""
    hooks: dict[str, Send] = {hook.name: partial(post, hook) for hook in file.webhooks}
    boxes: dict[str, Send] = {box.name: partial(write, box) for box in file.mail}
    return {**hooks, **boxes}


def post(hook: WebhookFile, alerts: Sequence[Alert]) -> None:
    """One POST with all alerts; raises DataError without the address, which may be a secret."""
    body = {
        "text": text_of(alerts),
        "alerts": [{"key": alert.key, "kind": alert.kind, "said": alert.said} for alert in alerts],
    }
    try:
        answer = requests.post(hook.address(), json=body, timeout=SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        raise DataError(f"webhook {hook.name} was not reached: {type(error).__name__}") from None
    if not answer.ok or answer.is_redirect:
        raise DataError(f"webhook {hook.name} answered with status {answer.status_code}")


def write(box: MailFile, alerts: Sequence[Alert]) -> None:
    """One mail with all alerts; raises DataError where the server does not take it."""
    mail = EmailMessage()
    mail["Subject"] = f"Packfolio: {alerts[0].said[:60]}" + (
        f" and {len(alerts) - 1} more" if alerts[1:] else ""
    )
    mail["From"], mail["To"] = box.sender, ", ".join(box.to)
    mail.set_content(text_of(alerts) + "\n")
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


def text_of(alerts: Sequence[Alert]) -> str:
    """One line an alert."""
    return "\n".join(alert.said for alert in alerts)
