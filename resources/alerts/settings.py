"""`notify.yaml`: where alerts go. Secrets stand in the environment: the file's text is kept with every run."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from optimizer import PolicyError
from resources.settings.policies.values import Strict
from resources.settings.yaml_files import load_yaml

Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
Address = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class WebhookFile(Strict):
    """A place that takes `{"text": ..., "alerts": [...]}` by POST, as chat programs do."""

    name: str = Field(min_length=1)
    url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    url_env: Variable | None = None

    @model_validator(mode="after")
    def one_address(self) -> "WebhookFile":
        """Refuses both or none of the two."""
        if (self.url is None) == (self.url_env is None):
            raise ValueError("give url, or url_env where the address is a secret: one of them")
        return self

    def address(self) -> str:
        """Where to send; raises PolicyError where the variable is not set."""
        return self.url or secret(str(self.url_env), self.name)


class MailFile(Strict):
    """A mailbox that is written to through an SMTP server."""

    name: str = Field(min_length=1)
    to: list[Address] = Field(min_length=1)
    sender: Address
    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    starttls: bool = True
    user: str | None = None
    password_env: Variable | None = None

    @model_validator(mode="after")
    def hangs_together(self) -> "MailFile":
        """Refuses a user without a password, and a password that would travel in the open."""
        if (self.user is None) != (self.password_env is None):
            raise ValueError("user and password_env belong together: give both, or none")
        if self.user and not self.starttls:
            raise ValueError("a password needs starttls: true")
        return self


class NotifyFile(Strict):
    """`notify.yaml`; `free_gib` is the room on the home's disk below which an alert is sent; 0 for none.

    desk  its name in every message; the home and the machine where there is none
    """

    desk: str | None = Field(default=None, min_length=1, max_length=60)
    webhooks: list[WebhookFile] = Field(default_factory=list)
    mail: list[MailFile] = Field(default_factory=list)
    free_gib: float = Field(default=2.0, ge=0)

    @model_validator(mode="after")
    def named_once(self) -> "NotifyFile":
        """Refuses two channels of one name: what was sent is remembered by it."""
        names = [hook.name for hook in self.webhooks] + [box.name for box in self.mail]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"channel names stand twice: {', '.join(twice)}")
        return self


def load_notify(config: Path) -> NotifyFile | None:
    """`notify.yaml` of the configuration folder; None for a desk that does without."""
    file = config / "notify.yaml"
    return load_yaml(file, NotifyFile) if file.exists() else None


def secret(variable: str, channel: str) -> str:
    """What a variable of the environment holds; raises PolicyError where it holds nothing."""
    value = os.environ.get(variable, "")
    if not value:
        raise PolicyError(
            f"notify.yaml: {channel}: the environment has no {variable}; set it where Dagster runs"
        )
    return value
