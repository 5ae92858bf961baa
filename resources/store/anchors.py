"""The anchor: a file outside the warehouse that remembers how long the ledger was, and its newest hash."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from resources.store.signatures import PublicKey, signed, signing_key


@dataclass(frozen=True)
class Anchor:
    """One line: after the commit at `at`, the ledger had `count` rows and the newest hash was `head`.

    accepted  reason why a ledger that differs from the lines before was accepted from here on; None otherwise
    root      root of the Merkle tree over the `count` rows, as hexadecimal digits; None in lines of older releases
    """

    count: int
    head: str
    at: str
    accepted: str | None = None
    signature: str | None = None
    root: str | None = None

    @property
    def fields(self) -> dict[str, object]:
        """What is signed."""
        told: dict[str, object] = {"count": self.count, "head": self.head, "at": self.at}
        told |= {"root": self.root} if self.root else {}
        return told | ({"accepted": self.accepted} if self.accepted else {})


@dataclass(frozen=True)
class Anchors:
    """The lines of an anchor file, oldest first, and the numbers of the lines that cannot be read."""

    lines: tuple[Anchor, ...]
    unreadable: tuple[int, ...]


def write_anchor(
    path: Path, count: int, head: str, at: datetime, accepted: str | None = None, root: str | None = None
) -> None:
    """Append one line, signed where the desk has a key, and force it to the disk."""
    told = Anchor(count, head, at.isoformat(), accepted, root=root).fields
    line = json.dumps(signed(told, signing_key())) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if _torn(file.seek(0, os.SEEK_END), path):  # a killed writer left half a line
            line = "\n" + line
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def _torn(size: int, path: Path) -> bool:
    if size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def read_anchors(path: Path) -> Anchors:
    """What the anchor file says; a missing file says nothing."""
    if not path.exists():
        return Anchors((), ())
    lines, unreadable = [], []
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            found = json.loads(text)
            told = int(found["count"]), str(found["head"]), str(found["at"])
            lines.append(Anchor(*told, found.get("accepted"), found.get("signature"), found.get("root")))
        except (ValueError, KeyError, TypeError, AttributeError):
            unreadable.append(number)
    return Anchors(tuple(lines), tuple(unreadable))


def unsigned(lines: Sequence[Anchor], key: PublicKey) -> list[tuple[Anchor, str]]:
    """The lines that the holder of the key did not sign, each with what is wrong.

    Lines before the first signed one were written before the desk had a key; a file without any is all unsigned.
    """
    first = next((at for at, line in enumerate(lines) if line.signature), 0)
    return [
        (line, "has no signature" if line.signature is None else "is signed by another key, or was changed")
        for line in lines[first:]
        if line.signature is None or not key.fits(line.fields, line.signature)
    ]
