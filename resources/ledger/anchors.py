"""The anchor: a file outside the warehouse that remembers how long the ledger was, and its newest hash."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from optimizer import PolicyError
from resources.ledger.anchor_lines import (
    ACCEPTED,
    INTENT,
    PUBLISHED,
    REVOKED,
    ROTATED,
    Anchor,
    HalfError,
    check_order,
    check_place,
    lines_in,
    number_of,
    read_line,
)
from resources.ledger.ledger import GENESIS, bytes_sha256
from resources.ledger.record_error import RecordError, in_a_line, refuse_no_file
from resources.ledger.signatures import KEY, SIGNATURE, PublicKey, signed, signing_key

NO_LINES = "put the anchor's true file there, or name it in PACKFOLIO_ANCHOR"
TAIL = 1 << 14  # bytes that are read of the end; a line takes a few hundred, a run writes some thirty


@dataclass(frozen=True)
class Anchors:
    """The lines of an anchor file, oldest first; the numbers of half lines; what is odd about which lines.

    end    SHA-256 of the last line as it stands in the file
    whole  SHA-256 of all lines; None where only the last ones were read
    size   number of lines of any kind
    """

    lines: tuple[Anchor, ...] = ()
    torn: tuple[int, ...] = ()
    odd: tuple[tuple[int, str], ...] = ()
    end: str = GENESIS
    whole: str | None = sha256(b"").hexdigest()
    size: int = 0

    @cached_property
    def settled(self) -> Anchor | None:
        """The last line that tells of something done."""
        return next((line for line in reversed(self.lines) if line.kind != INTENT), None)

    @cached_property
    def signed(self) -> Anchor | None:
        """The last line that somebody signed: it tells whose turn it is to sign."""
        return next((line for line in reversed(self.lines) if SIGNATURE in line.told), None)

    @property
    def pending(self) -> Anchor | None:
        """The commit that was announced and of which nobody said how it ended: its process was killed, or it failed."""
        return self.lines[-1] if self.lines and self.lines[-1].kind == INTENT else None

    @cached_property
    def accepted(self) -> Anchor | None:
        """The last accepted break; the lines from it on bind."""
        return next((line for line in reversed(self.lines) if line.kind == ACCEPTED), None)

    @property
    def disputed(self) -> tuple[tuple[int, str], ...]:
        """The odd lines that nobody accepted since."""
        since = self.accepted.place if self.accepted else 0
        return tuple(odd for odd in self.odd if odd[0] > since)

    @property
    def published(self) -> tuple[Anchor, ...]:
        """The lines of published copies since the last accepted break, oldest first."""
        return self.since_accepted(PUBLISHED)

    def since_accepted(self, kind: str) -> tuple[Anchor, ...]:
        """The lines of a kind since the last accepted break, oldest first."""
        since = self.accepted.place if self.accepted else 0
        return tuple(line for line in self.lines if line.kind == kind and line.place > since)


def read_anchors(path: Path) -> Anchors:
    """What the anchor file says; a missing file says nothing. Raises RecordError for what is no readable file."""
    with _opened(path) as file:
        return _parsed(lines_in(file.read()), 0, GENESIS) if file else Anchors()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    """The anchor, to be read; None where there is none."""
    try:
        refuse_no_file(path, NO_LINES)
        with path.open("rb") if path.exists() else nullcontext() as file:
            yield file
    except OSError as error:
        raise RecordError(f"the anchor cannot be read ({error}): {NO_LINES}") from error


def read_end(path: Path) -> Anchors:
    """The last lines alone, as many as are needed to go on from them; raises RecordError where they are odd."""
    with _opened(path) as file:
        if file is None:
            return Anchors()
        start = max(0, file.seek(0, os.SEEK_END) - TAIL)
        file.seek(start)
        raw = lines_in(file.read())[1 if start else 0 :]  # the first may be cut in half
    number = number_of(raw[0]) if start and raw else None
    found = _parsed(raw, number - 1, None) if number else Anchors()
    if found.settled is None:
        found = read_anchors(path)
    refuse_disputed(found, path)
    return found


def refuse_disputed(anchors: Anchors, path: Path) -> None:
    """Raises RecordError for odd lines that nobody accepted since."""
    if anchors.disputed:
        number, why = anchors.disputed[0]
        raise RecordError(
            f"line {number} of the anchor {path} {why}; nothing was written: see `packfolio packs verify`, put the "
            f"true file back, or go on with `packfolio doctor db --accept REASON`, which stays on record"
        )


def may_sign(before: Anchors, key: Path | None) -> bool:
    """Whether a private key may sign the line after these: it signed the last signed one, or that hands over to it.

    Who has no key signs nothing; lines that nobody signed put no key in another's place.
    """
    if key is None or (last := before.signed) is None:
        return True
    own = PublicKey.of_private(key)
    if last.kind == ROTATED:
        return bool(own.text == last.told["new_key"])
    if last.kind == REVOKED and own.text == last.told["revoked_key"]:
        return False
    return own.fits(last.fields, last.told[SIGNATURE])


def _refuse_revoked(before: Anchors, key: Path) -> None:
    own = PublicKey.of_private(key).text
    if any(line.kind == REVOKED and line.told["revoked_key"] == own for line in before.lines):
        raise PolicyError(
            f"{key} was revoked, and is not believed: make another by `packfolio anchor keygen`"
        )


def append_line(
    path: Path, kind: str, count: int, head: str, at: datetime, told: Mapping[str, str] | None = None,
    *, new_key: Path | None = None, after: Anchors | None = None,
) -> None:  # fmt: skip
    """Append one line, signed where the desk has a key, and force it to the disk; the caller holds the home's lock.

    told     what a line of that kind says besides
    new_key  a second private key that signs it too
    after    the lines before, where they have been read; else their end is read
    Raises PolicyError where a key cannot be read, is not the anchor's or, as `new_key`, was revoked;
    RecordError where the last line is odd.
    """
    before, key = read_end(path) if after is None else after, signing_key()
    if key and before.signed is None:  # whose turn it is may have been told long before the end
        before = read_anchors(path)
    if kind != ACCEPTED and before.signed and not may_sign(before, key):
        raise PolicyError(
            f"{KEY}: {key} is not the key that signs the anchor now, by its line {before.signed.place}; nothing was "
            f"written: set it to that key, or go on with this one by `packfolio doctor db --accept REASON`"
        )
    if new_key is not None:
        _refuse_revoked(read_anchors(path), new_key)
    line = {
        "number": before.size + 1, "previous": before.end, "kind": kind,
        "count": count, "head": head, "at": at.isoformat(), **(told or {}),
    }  # fmt: skip
    text = json.dumps(signed(line, key, new_key)).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if _torn(file.seek(0, os.SEEK_END), path):  # a killed writer left half a line
            text = b"\n" + text
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _torn(size: int, path: Path) -> bool:
    if size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _parsed(raw: Iterable[bytes], before: int, previous: str | None) -> Anchors:
    """Lines that follow line `before`, whose hash is `previous` (None: not known, nor what it told)."""
    lines: list[Anchor] = []
    torn: list[int] = []
    odd: list[tuple[int, str]] = []
    known, settled, number = previous is not None, None, before
    so_far = sha256() if known else None
    for number, text in enumerate(raw, before + 1):
        try:
            line = read_line(number, text)
            check_place(line, previous, lines[-1] if lines else None, so_far.hexdigest() if so_far else None)
            if known:
                check_order(line, settled, lines[-1] if lines else None)
        except HalfError:
            torn.append(number)
        except ValueError as error:
            odd.append((number, in_a_line(str(error))))
            known = False  # one odd line is one fault, and not one of each line after it
        else:
            lines.append(line)
            if line.kind != INTENT:
                known, settled = True, line
        previous = bytes_sha256(text)
        if so_far:
            so_far.update(text + b"\n")
    whole = so_far.hexdigest() if so_far else None
    return Anchors(tuple(lines), tuple(torn), tuple(odd), previous or GENESIS, whole, number)
