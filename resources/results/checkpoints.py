"""Decisions of a backtest in a file, line by line, so that an interrupted one goes on where it stopped."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pandas as pd


class Checkpoint(dict[pd.Timestamp, Mapping[str, float]]):
    """Date -> weights, read from the file; every new decision is appended to it before the next one is made.

    A line that was cut short by a kill is decided again. Numbers are written so that they read back bit for bit.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        if not path.exists():
            return
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole, encoding="utf-8")
        for line in whole.splitlines():
            day, weights = json.loads(line)
            super().__setitem__(pd.Timestamp(day), weights)

    def __setitem__(self, day: pd.Timestamp, weights: Mapping[str, float]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([day.isoformat(), dict(weights)]) + "\n")
        super().__setitem__(day, weights)

    def finish(self) -> None:
        """Forget the file: the result is on record."""
        self.path.unlink(missing_ok=True)


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
