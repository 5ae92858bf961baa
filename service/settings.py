"""How a service process is set up: where things are, who may ask, and how much."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from optimizer import PolicyError

SCOPES = ("read", "propose", "admin")  # each includes those before it
NAMED = "[A-Za-z0-9._-]+"  # a name or UUID of a portfolio, or an account's key
KEY = re.compile(rf"[0-9a-f]{{64}}(:({'|'.join(SCOPES)})(:{NAMED}(\+{NAMED})*)?)?")


@dataclass(frozen=True)
class Settings:
    """One service's settings.

    keys        of each valid API key its SHA-256, and where it may not do all, `:scope` and `:portfolio+portfolio`;
                empty: only callers on this machine are served
    per_second  requests one caller may make, on average over ten seconds
    """

    home: Path
    config: Path
    decisions: Path
    keys: frozenset[str] = frozenset()
    per_second: float = 1000.0
    max_body_bytes: int = 262_144
    timeout_seconds: float = 30.0
    solvers: int = 2
    waiting: int = 32
    read_seconds: float = 15.0
    anchor: Path | None = None

    @classmethod
    def of_process(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """From PACKFOLIO_HOME, ..._CONFIG, ..._ANCHOR, ..._DECISIONS, ..._API_KEYS (or ..._API_KEYS_FILE).

        Raises PolicyError for a key that is not the SHA-256 of one, for keys that are named and are none, and for a
        rate that is no number above 0.
        """
        home = _place(environment.get("PACKFOLIO_HOME") or ".packfolio")
        anchor, decisions = environment.get("PACKFOLIO_ANCHOR"), environment.get("PACKFOLIO_DECISIONS")
        return cls(
            home,
            _place(environment.get("PACKFOLIO_CONFIG") or "config"),
            _place(decisions) if decisions else home / "decisions.jsonl",
            _keys(environment),
            per_second=_rate(environment.get("PACKFOLIO_REQUESTS_PER_SECOND") or "1000"),
            solvers=os.cpu_count() or 1,
            anchor=_place(anchor) if anchor else None,
        )


def _place(named: str) -> Path:
    """Where a path leads; a link that leads back to itself is left for those who open it, who say so."""
    return Path(os.path.realpath(named))


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise PolicyError(
            f"PACKFOLIO_REQUESTS_PER_SECOND is {text!r}: it must be a number above 0, such as 1000"
        )
    return rate


def _keys(environment: Mapping[str, str]) -> frozenset[str]:
    text = environment.get("PACKFOLIO_API_KEYS", "")
    if file := environment.get("PACKFOLIO_API_KEYS_FILE"):
        text += "\n" + _file_text(Path(file))
    lines = [line.partition("#")[0] for line in text.splitlines()]
    keys = frozenset(re.split(r"[\s,]+", " ".join(lines).strip())) - {""}
    if (file or text.strip()) and not keys:  # emptied, say by a full disk
        name = "PACKFOLIO_API_KEYS_FILE" if file else "PACKFOLIO_API_KEYS"
        raise PolicyError(
            f"{name} holds no key, and without keys every caller "
            f"on this machine would be served: write the SHA-256 of a key into it, or unset it"
        )
    if wrong := [key for key in keys if not KEY.fullmatch(key)]:
        raise PolicyError(
            f"{len(wrong)} API keys are no SHA-256 in hexadecimal, with a scope of {', '.join(SCOPES)} and portfolios "
            f"where it has them, as in DIGEST:propose:us-equity+paper; keep the digest of a key, never the key: "
            f"printf %s KEY | sha256sum"
        )
    if len({key[:64] for key in keys}) < len(keys):
        raise PolicyError("an API key stands twice with different scopes; keep one line of each digest")
    return keys


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"PACKFOLIO_API_KEYS_FILE: {path} cannot be read: {error}") from None
