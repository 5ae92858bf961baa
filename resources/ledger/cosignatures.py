"""What witnesses signed: the lines of `witnesses.jsonl` beside the anchor, each of a checkpoint that somebody saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.ledger.anchor_lines import is_hash, lines_of, read_object
from resources.ledger.record_error import RecordError
from resources.ledger.signatures import SIGNATURE, PublicKey, is_key

PURPOSE = b"packfolio witness\n"  # a signature given for anything else does not fit
FIELDS = ("at", "count", "head", "root", "key", SIGNATURE)


@dataclass(frozen=True)
class Cosigned:
    """A line: the holder of `key` saw, at `at` by that clock, a ledger of `count` rows with this root."""

    place: int
    count: int
    root: str
    at: str
    key: str
    told: Mapping[str, Any]


def cosigned_beside(anchor: Path) -> Path:
    """Where the lines of the witnesses of an anchor file lie."""
    return anchor.with_name("witnesses.jsonl")


def read_cosigned(file: Path) -> list[Cosigned]:
    """The lines of witnesses, oldest first; raises RecordError for one that no witness signed so."""
    found = []
    for number, text in enumerate(lines_of(file, "put the file of the witnesses' lines back"), 1):
        try:
            found.append(_line(number, text))
        except ValueError:
            raise RecordError(
                f"line {number} of {file} is none that `packfolio witness` printed, or was changed since: take it out"
            ) from None
    return found


def _line(number: int, text: bytes) -> Cosigned:
    told = read_object(text)
    if told.keys() != {*FIELDS}:
        raise ValueError
    count, at, key = told["count"], told["at"], told["key"]
    texts = isinstance(at, str) and at.isprintable() and isinstance(key, str) and is_key(key)
    if not (texts and type(count) is int and count > 0 and is_hash(told["head"]) and is_hash(told["root"])):
        raise ValueError
    fields = {name: value for name, value in told.items() if name != SIGNATURE}
    if not PublicKey(key).fits(fields, told[SIGNATURE], PURPOSE):
        raise ValueError
    return Cosigned(number, count, told["root"], at, key, told)
