"""What is checked before a pack is written: faults in its own data, each with a code and a severity."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, timedelta
from typing import Protocol

from optimizer.errors import how_many
from resources.ledger.ledger import Connection
from resources.screening.bad_prints import recent_prints
from resources.screening.currencies import rate_faults
from resources.screening.price_warnings import WatchLimits

RECENT = timedelta(days=14)
WHOLE_PACK = 5.0  # points of quality that a warning about the whole pack costs


@dataclass(frozen=True)
class Finding:
    """One fault: FAIL rejects the pack, WARN is recorded on it and lowers its quality, INFO is only recorded."""

    code: str
    severity: str
    message: str
    symbol: str | None = None
    date: dt.date | None = None
    value: float | None = None

    @classmethod
    def columns(cls) -> list[str]:
        """The names of the fields, as in `check_findings`."""
        return [item.name for item in fields(cls)]


@dataclass(frozen=True)
class CheckLimits:
    """Thresholds of the pack checks.

    coverage            least share of the previous pack's symbols that must be priced again
    stale_sessions      a pack whose newest price is older than this many sessions is rejected
    symbol_stale_sessions  a symbol whose newest price is older than this is named in a warning
    source_gap          relative difference between two sources' closes of one symbol and day
    rate_days           age in days beyond which the newest of several risk-free rates is stale; one alone is a constant
    fx_days             the same of exchange rates
    condition_number    of a covariance, beyond which it counts as singular
    volatility_drift    relative change of a volatility since the pack before, beyond which it is named
    return_drift        change of an expected return since the pack before, per year, beyond which it is named
    severities          code -> severity, for a desk that wants another one
    prints              when a newest close counts as repeated or as a bad print
    """

    coverage: float = 0.8
    stale_sessions: int = 3
    symbol_stale_sessions: int = 5
    source_gap: float = 0.01
    rate_days: int = 45
    fx_days: int = 10
    condition_number: float = 1e12
    volatility_drift: float = 0.25
    return_drift: float = 0.10
    severities: Mapping[str, str] = field(default_factory=dict)
    prints: WatchLimits = field(default_factory=WatchLimits)


class Earlier(Protocol):
    """The pack before this one."""

    @property
    def id(self) -> str:
        """Its ID."""

    @property
    def as_of(self) -> date:
        """Its as-of date."""

    @property
    def watermark(self) -> int:
        """Its watermark."""


def check_pack(
    con: Connection,
    as_of: date,
    watermark: int,
    previous: Earlier | None,
    sessions: Sequence[date],
    limits: CheckLimits,
) -> list[Finding]:
    """Everything that is wrong with what a pack would see."""
    newest = _newest_dates(con, as_of, watermark)
    past = [day for day in sessions if day <= as_of]
    ended = _ended(con, as_of, watermark)
    found = [
        *_whole(newest, as_of, previous, past, limits),
        *_coverage(con, newest, previous, past, limits, ended),
        *_stale_symbols({s: day for s, day in newest.items() if day >= ended.get(s, day)}, past, limits),
        *_disagreements(con, as_of, watermark, limits),
        *(
            Finding(code, "WARN", message, symbol, day, value)
            for code, symbol, day, value, message in rate_faults(
                con, as_of, watermark, limits.rate_days, limits.fx_days
            )
        ),
        *(
            Finding(code, "WARN", message, symbol, day, value)
            for code, symbol, day, value, message in recent_prints(con, as_of, watermark, limits.prints)
        ),
    ]
    return with_severities(found, limits)


def with_severities(found: Iterable[Finding], limits: CheckLimits) -> list[Finding]:
    """The findings with the severities that the desk wants."""
    return [replace(item, severity=limits.severities.get(item.code, item.severity)) for item in found]


def quality_score(findings: Sequence[Finding], symbols: int) -> float:
    """How much of a pack is above suspicion, 0 to 100.

    100 x the share of its symbols that no warning names, less WHOLE_PACK for each warning about the pack as a whole;
    0 for a pack that a FAIL rejects. What is merely noted (INFO) costs nothing.
    """
    if any(finding.severity == "FAIL" for finding in findings):
        return 0.0
    warned = [finding for finding in findings if finding.severity == "WARN"]
    named = {finding.symbol for finding in warned} - {None}
    whole = sum(finding.symbol is None for finding in warned)
    return max(0.0, 100 * (1 - len(named) / max(symbols, len(named), 1)) - WHOLE_PACK * whole)


def _newest_dates(con: Connection, as_of: date, watermark: int) -> dict[str, date]:
    rows = con.execute(
        "select symbol, max(date) from believed_prices($1) where date between $2 and $3 group by symbol order by 1",
        [watermark, as_of - RECENT, as_of],
    ).fetchall()
    return {str(symbol): day for symbol, day in rows}


def _ended(con: Connection, as_of: date, watermark: int) -> dict[str, date]:
    """Symbol -> the day on which a delisting, a merger or another name ended it."""
    rows = con.execute(
        "select symbol, max(date) from stated_actions(?) where kind in ('delisting', 'merger', 'rename') "
        "and date <= ? group by symbol",
        [watermark, as_of],
    ).fetchall()
    return {str(symbol): day for symbol, day in rows}


def _age(day: date, sessions: Sequence[date]) -> int:
    """Sessions after `day`; `sessions` ascend."""
    return len(sessions) - bisect_right(sessions, day)


def _whole(
    newest: dict[str, date],
    as_of: date,
    previous: Earlier | None,
    sessions: Sequence[date],
    limits: CheckLimits,
) -> list[Finding]:
    """Whether the newest price of all is late; of the first pack by less too, which no coverage would tell."""
    recent = sessions[-60:]
    if not newest:
        message = (
            f"no symbol has a price in the {RECENT.days} days up to {as_of}: ingest prices up to that date"
        )
        return [Finding("NO_PRICES", "FAIL", message)]
    last = max(newest.values())
    age = _age(last, recent)
    said = f"the newest price is of {last}, {how_many(age, 'session')} before {as_of}"
    if age > limits.stale_sessions:
        message = f"{said}; at most {limits.stale_sessions} are allowed"
        return [Finding("STALE_PACK", "FAIL", message, date=last, value=float(age))]
    if age == 0 or previous is not None:
        return []
    message = f"{said}, whose prices are not here yet: ingest them, then `packfolio packs revise {as_of} --reason TEXT`"
    return [Finding("LATE_PRICES", "WARN", message, date=last, value=float(age))]


def _coverage(
    con: Connection,
    newest: dict[str, date],
    previous: Earlier | None,
    sessions: Sequence[date],
    limits: CheckLimits,
    ended: Mapping[str, date],
) -> list[Finding]:
    """Symbols that were alive in the pack before, and are no longer, though no action ended them."""
    if previous is None:
        return []
    before = _newest_dates(con, previous.as_of, previous.watermark)
    priced, session = max(before.values(), default=date.min), min(sessions[-1:], default=date.max)
    alive = [symbol for symbol, day in before.items() if day == priced and day >= ended.get(symbol, day)]
    lost = [symbol for symbol in alive if newest.get(symbol, date.min) < session]
    if not alive or 1 - len(lost) / len(alive) >= limits.coverage:
        return []
    share = 1 - len(lost) / len(alive)
    message = (
        f"only {share:.0%} of the {len(alive)} symbols priced in {previous.id} have a price on the last session; "
        f"{limits.coverage:.0%} are needed: missing are {', '.join(lost[:10])}{' …' if len(lost) > 10 else ''}"
    )
    return [Finding("COVERAGE", "FAIL", message, value=share)]


def _stale_symbols(newest: dict[str, date], sessions: Sequence[date], limits: CheckLimits) -> list[Finding]:
    recent = sessions[-60:]
    found = []
    for symbol, day in newest.items():
        age = _age(day, recent)
        if age >= limits.symbol_stale_sessions:
            message = f"{symbol}: newest price is of {day}, {how_many(age, 'session')} old"
            found.append(Finding("STALE_SYMBOL", "WARN", message, symbol, day, float(age)))
    return found


def _disagreements(con: Connection, as_of: date, watermark: int, limits: CheckLimits) -> Iterator[Finding]:
    """Closes of one symbol and day that two sources tell differently, on the same basis; the widest of each symbol."""
    told = "from believed_prices($1) where date between $2 and $3"
    within: list[object] = [watermark, as_of - RECENT, as_of]
    if con.execute(f"select min(source) is not distinct from max(source) {told}", within).fetchall()[0][0]:
        return
    rows = con.execute(
        f"""
        with told as (
            select symbol, date, source, basis, currency, arg_max(close, ingest_seq) as close {told} group by all
        ), gaps as (
            select symbol, date, max(close) / min(close) - 1 as gap, arg_min(source, close) as low,
                   arg_max(source, close) as high
            from told group by symbol, date, basis, currency having count(*) > 1 and gap > $4
        )
        select symbol, arg_max(date, (gap, date)), max(gap), arg_max(low, (gap, date)), arg_max(high, (gap, date)),
               count(*)
        from gaps group by symbol order by symbol
        """,
        [*within, limits.source_gap],
    ).fetchall()
    for symbol, day, gap, low, high, days in rows:
        such = how_many(days, "such day")
        message = f"{symbol}: the close of {day} is {gap:.1%} higher in {high} than in {low}; {such}"
        yield Finding("SOURCES_DISAGREE", "WARN", message, str(symbol), day, float(gap))
