"""What every price source gives: deliveries of rows, in date order, each traceable to its payload."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from optimizer import DataError, PackfolioError

Basis = Literal["as_traded", "split_adjusted", "total_return"]
Severity = Literal["FAIL", "QUAR", "WARN"]
Seen = Callable[[str], bool]

PRICE_ROWS = pa.schema(
    [
        ("symbol", pa.dictionary(pa.int32(), pa.string())),
        ("date", pa.date32()),
        ("open", pa.float64()),
        ("high", pa.float64()),
        ("low", pa.float64()),
        ("close", pa.float64()),
        ("volume", pa.int64()),
        ("dividend", pa.float64()),
        ("split", pa.float64()),
        ("vendor_adj_close", pa.float64()),
    ]
)
STATED = pa.schema(
    [("symbol", pa.string()), ("date", pa.date32()), ("kind", pa.string()), ("value", pa.float64())]
)
QUARANTINE = pa.schema(
    [
        ("symbol", pa.string()),
        ("date", pa.date32()),
        ("line", pa.int64()),
        ("code", pa.string()),
        ("reason", pa.string()),
        ("raw", pa.string()),
    ]
)
PRICES = "prices"
LONGEST_NAME = 1_000
MOST_COLUMNS = 1_000
SMALL_UNPACKED, MOST_SHRUNK = 16 << 20, 50
SMALL_ROWS = 100_000
CARRIED = (
    "CARRIED"  # in `quarantine`: what a believed row stated itself that carries the actions of rows set aside
)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong in a delivery: a stable code, who it concerns, and what to do.

    severity  FAIL = the file is refused; QUAR = the rows are set aside; WARN = recorded, rows kept
    count     how many rows
    symbol, day, line  the first of them, where known
    value     what was filled in, where that is asked for again
    """

    code: str
    severity: Severity
    message: str
    count: int = 1
    symbol: str | None = None
    day: date | None = None
    line: int | None = None
    value: float | None = None

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        return f"{self.code} {place}{self.message}"


ALIKE = 2


def in_words(findings: Sequence[Finding]) -> str:
    """Findings in one line: two of a kind are told, the others of it counted.

    >>> in_words([Finding("BAD_DATE", "FAIL", "'x' is no date", line=line) for line in (2, 3, 4, 5)])
    "BAD_DATE line 2: 'x' is no date; BAD_DATE line 3: 'x' is no date, and 2 more like it"
    """
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.code, []).append(finding)
    told = []
    for alike in kinds.values():
        more = f", and {len(alike) - ALIKE} more like it" if len(alike) > ALIKE else ""
        told.append("; ".join(map(str, alike[:ALIKE])) + more)
    return "; ".join(told)


def shown(text: str, most: int = 200) -> str:
    """Text from outside as a message may hold it: what cannot be printed is spelled out, and a long end is cut."""
    spelled = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text[: most + 1])
    return spelled if len(spelled) <= most else f"{spelled[:most]}..."


class FileRejected(DataError):  # noqa: N818  says what happened to it
    """A file of which nothing can be taken; carries everything that is wrong in it, and the log it was meant for."""

    def __init__(
        self, name: str, findings: Sequence[Finding], payload_sha256: str = "", log: str = "prices"
    ) -> None:
        self.name = shown(name, LONGEST_NAME)
        self.findings = tuple(replace(one, message=shown(one.message, LONGEST_NAME)) for one in findings)
        super().__init__(f"{self.name} is refused: {in_words(self.findings)}")
        self.payload_sha256 = payload_sha256
        self.log = log


@contextmanager
def refusing(name: str, payload_sha256: str = "", log: str = "prices") -> Iterator[None]:
    """Whatever goes wrong while a payload is read refuses that payload by its name: the others go on.

    Raises FileRejected; other errors that we name ourselves pass.
    """
    try:
        yield
    except FileRejected as refused:
        raise FileRejected(name, refused.findings, refused.payload_sha256 or payload_sha256, log) from None
    except PackfolioError:
        raise
    except OSError as error:
        said = f"{error.strerror or error}; check the file and its permissions"
        raise FileRejected(name, [Finding("UNREADABLE", "FAIL", said)], payload_sha256, log) from None
    except Exception as error:  # what a stranger's bytes can do to a parser has no list
        said = f"reading it ended in {type(error).__name__}: {shown(str(error))}; look at the file, and send it again"
        raise FileRejected(name, [Finding("DAMAGED", "FAIL", said)], payload_sha256, log) from error


@dataclass(frozen=True)
class Allowance:
    """What a payload may unpack to: an honest one has no more rows than bytes, and shrinks to no fiftieth.

    A megabyte of anything is read, or refused, in a part of a gigabyte of memory and of a minute.
    """

    unpacked: int
    rows: int

    @classmethod
    def of(cls, packed: int, limit: int) -> "Allowance":
        """That of a payload of `packed` bytes, where `limit` bytes are allowed at all."""
        return cls(min(limit, max(SMALL_UNPACKED, packed * MOST_SHRUNK)), max(SMALL_ROWS, packed // 2))

    def faults(self, unpacked: int, rows: int, columns: int) -> Iterator[Finding]:
        """What there is too much of."""
        if unpacked > self.unpacked:
            said = f"it unpacks to more than the {self.unpacked >> 20} MB that are allowed for its size"
            yield Finding(
                "TOO_LARGE", "FAIL", f"{said}; send it unpacked, or raise max_file_mb of the source"
            )
        if rows > self.rows:
            said = f"it has {rows} rows where at most {self.rows} are allowed for its size; split it"
            yield Finding("TOO_MANY_ROWS", "FAIL", said)
        if columns > MOST_COLUMNS:
            said = (
                f"it has {columns} columns, at most {MOST_COLUMNS} are allowed; leave out what is not needed"
            )
            yield Finding("TOO_MANY_COLUMNS", "FAIL", said)


def no_quarantine() -> pa.Table:
    """An empty table of quarantined rows."""
    return QUARANTINE.empty_table()


def no_days() -> pa.Array:
    """No dates."""
    return pa.array([], pa.date32())


@dataclass(frozen=True)
class Delivery:
    """What one payload brought for one log.

    key             identifies payload, name and settings that shape the rows; never read twice
    payload         the file, or the bytes where there is no file; its SHA-256 is what `sha256sum` prints
    basis           as_traded | split_adjusted | total_return ("not a tradable price": dividend 0, split 1)
    known_at        when the values became known (a feed's file date); None for bulk history
    rows            `PRICE_ROWS`, or the columns of `log`; values at 8 significant digits. NULL dividend or
                    split: this payload cannot know it, what is on record stays, else 0 and 1
    until           the last day that the payload told, where that is not among `rows` any more
    anew            (k,) `known_at` of the last k of `rows`: those on record or set aside that it lets judge anew
    lines           (n,) line of each row in the payload; None: consecutive from `first_line`
    quarantined     `QUARANTINE`: rows set aside
    withdrawn       `PRICE_ROWS`: rows on record that are no longer believed, as they stand there
    later           ledger rows of payloads that came after this one, where it is read again: what these tell stands
    stated          `STATED`: splits that the rows state beside closes which carry them already
    warnings        findings about rows that are kept (WARN) and one a code for those set aside (QUAR)
    """

    source: str
    key: str
    payload_name: str
    payload_sha256: str
    payload: Path | bytes
    rows: pa.Table
    basis: Basis = "as_traded"
    simulated: bool = False
    currency: str = "USD"
    known_at: date | None = None
    until: date | None = None
    anew: pa.Array = field(default_factory=no_days)
    log: str = PRICES
    first_line: int = 1
    lines: npt.NDArray[np.int64] | None = None
    quarantined: pa.Table = field(default_factory=no_quarantine)
    withdrawn: pa.Table = field(default_factory=PRICE_ROWS.empty_table)
    later: tuple[int, ...] = ()
    stated: pa.Table = field(default_factory=STATED.empty_table)
    warnings: tuple[Finding, ...] = ()

    @property
    def set_aside(self) -> int:
        """How many rows were set aside."""
        return sum(code != CARRIED for code in self.quarantined["code"].to_pylist())


def splits_of(delivery: Delivery) -> Delivery:
    """What a delivery of adjusted closes says of splits, as one for the log of corporate actions."""
    return Delivery(
        delivery.source, f"{delivery.key}:splits", delivery.payload_name, delivery.payload_sha256, delivery.payload,
        delivery.stated, currency=delivery.currency, log="corporate_actions", first_line=delivery.first_line,
    )  # fmt: skip


class PriceSource(Protocol):
    """A place prices come from."""

    @property
    def name(self) -> str:
        """The source's name in `sources.yaml` and in the log."""
        ...

    def deliveries(
        self, since: date | None, until: date | None, seen: Seen
    ) -> Iterator[Delivery | FileRejected]:
        """Deliveries with rows in since..until, in date order.

        A payload whose key `seen` knows is skipped without being parsed; a refused file is yielded as its
        error, so that the others go on.
        """
        ...


def delivered(
    source: PriceSource, since: date | None, until: date | None, seen: Seen
) -> Iterator[Delivery | FileRejected]:
    """The source's deliveries; one that cannot be read at all is refused by its name, so that others go on."""
    try:
        yield from source.deliveries(since, until, seen)
    except DataError as error:
        yield FileRejected(source.name, [Finding("UNREADABLE", "FAIL", str(error))])


def delivery_key(name: str, payload_sha256: str, shaping: Any) -> str:
    """SHA-256 over what determines a delivery's rows: payload, its name, and the settings that shape it."""
    text = json.dumps([name, payload_sha256, shaping], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
