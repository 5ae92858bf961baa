"""Decisions of a backtest in a file, line by line, so that an interrupted one goes on where it stopped."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pandas as pd

from resources.ledger.record_error import refuse_no_file

DIGEST = 64  # characters of a SHA-256


class Checkpoint(dict[pd.Timestamp, Mapping[str, float]]):
    """Date -> weights, read from the file; every new decision is appended to it before the next one is made.

    A line is `SHA-256 [day, weights]`; the sum covers the file's name too, which stands for all that the decisions
    follow from. A line whose sum does not fit, cut short by a kill, damaged or of another replay, is dropped from the
    file and decided again. Numbers are written so that they read back bit for bit.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        refuse_no_file(path, "move that away, its decisions are made again")
        if not path.exists():
            return
        lines = path.read_bytes().splitlines(keepends=True)
        believed = [line for line in lines if _fits(path.name, line)]
        if believed != lines:
            path.write_bytes(b"".join(believed))
        for line in believed:
            day, weights = json.loads(line[DIGEST + 1 :])
            super().__setitem__(pd.Timestamp(day), weights)

    def __setitem__(self, day: pd.Timestamp, weights: Mapping[str, float]) -> None:
        text = json.dumps([day.isoformat(), dict(weights)]).encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(_sum(self.path.name, text) + b" " + text + b"\n")
        super().__setitem__(day, weights)

    def finish(self) -> None:
        """Forget the file: the result is on record."""
        self.path.unlink(missing_ok=True)


def _sum(name: str, text: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + text).hexdigest().encode()


def _fits(name: str, line: bytes) -> bool:
    """Whether a line is whole and of this file: it ends, and its sum is that of its text."""
    digest, text = line[:DIGEST], line[DIGEST + 1 : -1]
    return line == digest + b" " + text + b"\n" and digest == _sum(name, text)


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one replay, one a strategy; `key` stands for all that its decisions follow from."""

    folder: Path
    key: str
    made: list[Checkpoint] = field(default_factory=list, init=False)

    def of(self, strategy: str) -> Checkpoint:
        """The decisions of a strategy so far."""
        digest = sha256(f"{self.key}\n{strategy}".encode()).hexdigest()
        self.made.append(Checkpoint(self.folder / f"backtest-{digest}.jsonl"))
        return self.made[-1]

    def finish(self) -> None:
        """Forget the files: the results are on record, or were told."""
        for checkpoint in self.made:
            checkpoint.finish()
