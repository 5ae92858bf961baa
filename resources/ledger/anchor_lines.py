"""The lines of the anchor: what each kind says, and what is odd about one.

A line is a JSON object. It says its number in the file and the SHA-256 of the line before it, and where the desk has a
key its signature covers both: a line that is repeated, moved, removed or slipped in shows. Lines that earlier releases
wrote have neither; they may only stand at the beginning.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from resources.ledger.ledger import GENESIS
from resources.ledger.record_error import in_a_line, refuse_no_file
from resources.ledger.signatures import COUNTERSIGNATURE, SIGNATURE, SIGNATURES, is_key, is_signature

INTENT, COMMIT, BEGUN, ACCEPTED, PUBLISHED = "intent", "commit", "begun", "accepted", "published"
FORGED, ROTATED, REVOKED, CHECKPOINT = "forged", "rotated", "revoked", "checkpoint"
PLACE = ("number", "previous", "kind")
EVERY = ("count", "head", "at")
ROOT = "root"  # of the Merkle tree over the rows; a line may say it, those of schema 7 and before do not
BEFORE = "before"  # SHA-256 of all lines before an accepted break: what was odd about them then, and no more
# What a line of each kind says besides PLACE, EVERY, ROOT, BEFORE and its signatures.
KINDS: Mapping[str, tuple[str, ...]] = {
    BEGUN: (),  # the anchor starts beside a ledger that has rows already
    INTENT: (),  # the transaction that is about to commit makes the ledger this
    COMMIT: (),  # it did
    CHECKPOINT: (),  # the root of its tree, which earlier lines did not say
    PUBLISHED: ("sha256",),  # of the copy that readers get from here on
    FORGED: ("sha256", "kept"),  # a copy stood there that nobody published; under which name it is kept
    ACCEPTED: ("accepted",),  # why a record that differs from the lines before is accepted from here on
    ROTATED: ("old_key", "new_key"),  # signed by both
    REVOKED: ("revoked_key", "reason"),
}
# Which kinds alone may say it, where not all may.
OF_KIND = {BEFORE: ACCEPTED, COUNTERSIGNATURE: ROTATED}
HASHES = ("head", ROOT, BEFORE, "sha256")
LONGEST = 1 << 63


@dataclass(frozen=True)
class Anchor:
    """One line: after what it tells of, at `at`, the ledger had `count` rows and the newest hash was `head`.

    place  which line of the file it is, from 1
    told   the whole line, as written
    """

    place: int
    count: int
    head: str
    at: str
    kind: str
    told: Mapping[str, Any] = field(repr=False)

    @property
    def state(self) -> tuple[int, str]:
        """Length and newest hash of the ledger."""
        return self.count, self.head

    @property
    def accepted(self) -> str | None:
        """The reason why a ledger that differs from the lines before was accepted from here on; None otherwise."""
        return self.told.get("accepted")

    def said(self, name: str) -> str:
        """What a text of the line says, to be shown."""
        return in_a_line(self.told[name])

    @property
    def root(self) -> str | None:
        """Root of the Merkle tree over the rows, as hexadecimal digits; None in lines that say none."""
        return self.told.get(ROOT)

    @property
    def rooted(self) -> dict[str, str]:
        """The root as a line says it."""
        return {ROOT: self.root} if self.root else {}

    @property
    def numbered(self) -> bool:
        """Whether it states its place and the line before, as every line does since schema 8."""
        return "number" in self.told

    @property
    def fields(self) -> dict[str, Any]:
        """What is signed."""
        return {name: value for name, value in self.told.items() if name not in SIGNATURES}


class HalfError(ValueError):
    """A line that a kill or a power cut left unfinished."""


@lru_cache(maxsize=512)  # the last ones are read before every look at the warehouse
def read_line(number: int, text: bytes) -> Anchor:
    """A line by itself; raises ValueError that says what is odd about it."""
    told = read_object(text)
    kind, names = _names_told(told)
    count, head, at = told["count"], told["head"], told["at"]
    if type(count) is not int or not 0 <= count < LONGEST:
        raise ValueError("has a count that is no number of rows")
    if kind == CHECKPOINT and ROOT not in told:
        raise ValueError("is a checkpoint without a root")
    for name in HASHES:
        if not is_hash(told.get(name, GENESIS)):
            raise ValueError(f"has a {name} that is no SHA-256")
    texts = {name: value for name, value in told.items() if name not in ("number", "count")}
    if not all(isinstance(value, str) and value.strip() for value in texts.values()):
        raise ValueError("leaves empty what it must say")
    for name, value in texts.items():
        if name in SIGNATURES and not is_signature(value):
            raise ValueError(f"has a {name} that is none")
        if name.endswith("_key") and not is_key(value):
            raise ValueError(f"has a key that is none ({name})")
    _time(at)
    if "number" in told and json.dumps({name: told[name] for name in names}).encode() != text:
        raise ValueError("is not written as this program writes a line")
    return Anchor(number, count, head, at, ACCEPTED if "accepted" in told else kind, told)


def _names_told(told: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The kind of a line, and what it says, in order; raises ValueError where one of its kind says something else."""
    kind: Any = told.get("kind", COMMIT)
    if "number" not in told:
        must = [*EVERY, *(["accepted"] if "accepted" in told else [])]
    elif not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"is of a kind that this release does not know ({str(kind)[:40]!r})")
    else:
        must = [*PLACE, *EVERY, *KINDS[kind]]
    may = [name for name in (ROOT, BEFORE, SIGNATURE, COUNTERSIGNATURE) if OF_KIND.get(name, kind) == kind]
    if unfit := {*told} - {*may} ^ {*must}:
        raise ValueError(f"says {', '.join(sorted(unfit))[:80]}, which a line of its kind must, or must not")
    return str(kind), [name for name in (*must, *may) if name in told]


def lines_in(raw: bytes) -> list[bytes]:
    """The lines of a file of records, without their ends; the last one may be half of one."""
    lines = raw.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def lines_of(file: Path, remedy: str) -> list[bytes]:
    """Those of a file, none where there is none; raises RecordError with the remedy for what is no file."""
    refuse_no_file(file, remedy)
    return lines_in(file.read_bytes()) if file.exists() else []


def read_object(text: bytes) -> dict[str, Any]:
    """A JSON object in which no name stands twice; raises ValueError with what is odd, HalfError for half of one."""
    try:
        found = json.loads(text.decode(), object_pairs_hook=_once)
    except (json.JSONDecodeError, UnicodeDecodeError):
        begun = text.strip(b"\0")  # a disk that lost power may leave such bytes
        if (begun.startswith(b"{") and not begun.rstrip().endswith(b"}")) or (text and not begun):
            raise HalfError from None
        raise ValueError("is no JSON object") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON object ({str(error)[:60]})") from None
    if not isinstance(found, dict):
        raise ValueError("is no JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _time(text: str) -> None:
    try:
        datetime.fromisoformat(text if text.isprintable() else "")  # any sign may stand between date and time
    except ValueError:
        raise ValueError(f"has a time that is none ({text[:40]!r})") from None


def is_hash(value: Any) -> bool:
    """Whether a value is the text of a SHA-256."""
    return isinstance(value, str) and len(value) == len(GENESIS) and not set(value) - set("0123456789abcdef")


def check_place(line: Anchor, previous: str | None, before: Anchor | None, so_far: str | None) -> None:
    """Raises ValueError unless the line belongs where it stands.

    previous  SHA-256 of the line before; None where that is not known
    so_far    SHA-256 of all lines before; None where that is not known
    """
    if not line.numbered:
        if before and before.numbered:
            raise ValueError("has no number, though the lines before it have")
        if before and line.accepted is None and line.count <= before.count:
            raise ValueError(f"stands twice or out of order: row {line.count} comes after row {before.count}")
        return
    if line.told["number"] != line.place or type(line.told["number"]) is not int:
        raise ValueError(
            f"says that it is line {str(line.told['number'])[:20]}: it was repeated, moved or slipped in"
        )
    if previous is not None and line.told["previous"] != previous:
        raise ValueError("does not follow the line before it: one of the two was changed or slipped in")
    if so_far is not None and line.told.get(BEFORE, so_far) != so_far:
        raise ValueError("accepts a break, and a line before it was changed since")


def check_order(line: Anchor, settled: Anchor | None, before: Anchor | None) -> None:
    """Raises ValueError unless a numbered line may come after what was told last, and after the line before."""
    if not line.numbered or line.kind == ACCEPTED:
        return
    last = (settled.count, settled.head) if settled else (0, GENESIS)
    if line.kind == BEGUN:
        fits = settled is None or not settled.numbered
    elif line.kind == INTENT:
        fits = line.count > last[0]
    elif line.kind == COMMIT:
        fits = before is not None and before.kind == INTENT and (before.count, before.head) == line.state
    else:
        fits = line.state == last
    if not fits:
        raise ValueError(f"tells of row {line.count} ({line.kind}), which cannot come after row {last[0]}")


def number_of(text: bytes) -> int | None:
    """The number that a line says; None where it says none."""
    try:
        number = read_object(text).get("number")
    except ValueError:
        return None
    return number if type(number) is int and 0 < number < LONGEST else None
