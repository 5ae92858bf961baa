"""What a portfolio may hold under a pack, what it may not and why, and what it is measured against."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np

from optimizer import DataError
from optimizer.errors import how_many
from optimizer.model.sessions import Dates, Flags, costly_gaps, session_rows
from optimizer.problem.trade_bounds import RESTRICTIONS
from optimizer.proposals.compiled_policy import MIN_OBSERVATIONS
from resources.accounts.known import Account
from resources.ledger.ledger import Connection
from resources.logs.open_questions import set_aside_since
from resources.packs.dated_facts import newest_caps
from resources.packs.delistings import gone_symbols
from resources.packs.liquidity import liquidity_of
from resources.packs.missing_data import questions_at
from resources.packs.near_symbols import strange_symbols, unknown_symbols
from resources.packs.pack_prices import read_panel, window_start
from resources.packs.packs import Pack
from resources.packs.rates import exchange_rate
from resources.settings.models import ModelFile
from resources.settings.policies.policy_schema import PolicyFile

Value = TypeVar("Value")
STALE_SESSIONS = 5
FURTHEST = 4  # times as far back as before, at most
A_HOLIDAY = 21  # days; no market is closed for so long, so that a search that finds nothing in them is over
WEIGHTINGS = ("equal_weight", "market_cap")  # of the investable names; any other benchmark has fixed weights
TOO_FEW = f"of prices; {MIN_OBSERVATIONS + 1} are needed"
UNPRICED = f"has no price in the last {STALE_SESSIONS} sessions"


def unpriced_symbols(con: Connection, pack: Pack, symbols: list[str]) -> dict[str, str]:
    """Symbol -> why it has no price that a trade could be made at."""
    last = read_panel(con, pack, symbols, window_start(con, pack, STALE_SESSIONS))
    found = {symbol: UNPRICED for column, symbol in enumerate(symbols) if last.last_close(column) is None}
    found |= {
        symbol: f"{UNPRICED}: {said}" for symbol, said in unknown_symbols(con, pack, sorted(found)).items()
    }
    for question in questions_at(con, pack.as_of, pack.watermark) if found else ():
        if question.blocking and question.symbol in found:
            found[question.symbol] = f"{UNPRICED}: {set_aside_since(question)}; {question.remedy}"
    return found | gone_symbols(con, pack, symbols)


@dataclass
class Listing:
    """What a pack says of many symbols, asked once for all the accounts that hold or want one of them."""

    con: Connection
    pack: Pack
    symbols: tuple[str, ...]
    everything: tuple[str, ...] = ()  # what universe "all" is
    restricted: tuple[str, ...] = ()  # what any account may not buy, sell or trade
    _kept: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def keep(self, key: tuple[object, ...], compute: Callable[[], Value]) -> Value:
        """The value of a key, computed at its first use."""
        if key not in self._kept:
            self._kept[key] = compute()
        found: Value = self._kept[key]
        return found

    @cached_property
    def unpriced(self) -> dict[str, str]:
        """As in `unpriced_symbols`, of all."""
        return unpriced_symbols(self.con, self.pack, list(self.symbols))

    def strangers(self, policy: PolicyFile) -> dict[str, str]:
        """Restricted symbol that nobody knows -> what to say of it; a desk's list may name what is not held here."""
        told: dict[str, str] = self.keep(
            ("strangers",), lambda: strange_symbols(self.con, self.pack, self.restricted)
        )
        return {
            symbol: f"stands in {item}, and {told[symbol]}"
            for item in RESTRICTIONS
            for symbol in sorted(getattr(policy, item).keys() & told.keys())
        }

    @cached_property
    def columns(self) -> dict[str, int]:
        """Symbol -> its column."""
        return {symbol: column for column, symbol in enumerate(self.symbols)}

    @cached_property
    def currencies(self) -> tuple[str, ...]:
        """The currency of each symbol's newest price; empty where it has none."""
        start = window_start(self.con, self.pack, STALE_SESSIONS)
        return read_panel(self.con, self.pack, self.symbols, start).currency

    def priced(self, lookback_days: int) -> tuple[Flags, Dates]:
        """(T, n) whether each symbol has a price on each date of a window of so many returns, and the dates.

        Days on which most are closed (a coin's Saturdays) make the window longer: it counts sessions.
        """

        def read(days: int) -> tuple[Flags, Dates]:
            panel = read_panel(self.con, self.pack, self.symbols, window_start(self.con, self.pack, days))
            return np.isfinite(panel.close), panel.days

        def window() -> tuple[Flags, Dates]:
            wanted = lookback_days + 1
            flags, dates = read(wanted)
            if not 0 < (open_days := int(session_rows(flags, dates).sum())) < wanted:
                return flags, dates
            flags, dates = read(min(wanted * wanted // open_days, FURTHEST * wanted) + A_HOLIDAY)
            first = min(np.flatnonzero(session_rows(flags, dates))[-wanted:][0], max(len(dates) - wanted, 0))
            return flags[first:], dates[first:]

        return self.keep(("priced", lookback_days), window)

    def young(self, symbols: Sequence[str], lookback_days: int) -> dict[str, str]:
        """Symbol -> why its history is too short; none where all are young.

        Estimates need days on which all symbols are priced: one new listing must not leave the others without any.
        """
        needed = MIN_OBSERVATIONS + 1
        counts = self.keep(
            ("days", lookback_days), lambda: self.priced(lookback_days)[0].sum(axis=0).tolist()
        )
        days = {symbol: counts[self.columns[symbol]] for symbol in symbols}
        if max(days.values(), default=0) < needed:
            return {}
        return {
            symbol: f"has {how_many(count, 'day')} {TOO_FEW}"
            for symbol, count in days.items()
            if count < needed
        }

    def gappy(self, symbols: Sequence[str], lookback_days: int, kept: Collection[str]) -> dict[str, str]:
        """Symbol -> what its gaps would cost the others: they are estimated on the dates on which all are priced.

        kept  symbols that are estimated whatever they cost, being held or in the benchmark
        """
        flags, dates = self.priced(lookback_days)
        whole: Flags = self.keep(("whole", lookback_days), lambda: np.asarray(flags.all(axis=0)))
        columns = [self.columns[symbol] for symbol in symbols]
        if whole[columns].all():
            return {}
        own = flags[:, columns]
        rows = np.flatnonzero(own.any(axis=1))
        return {
            symbol: f"has no price on {lacking} of {sessions} sessions, and the others are estimated on the dates on "
            f"which all are priced; on_gaps: keep or pairwise takes it in"
            for symbol, (lacking, sessions) in costly_gaps(own[rows], dates[rows], symbols, kept).items()
        }

    def closed(
        self,
        symbols: Sequence[str],
        wanted: Sequence[str],
        kept: Collection[str],
        policy: PolicyFile,
        *,
        frozen: Mapping[str, str],
    ) -> dict[str, str]:
        """Symbol -> why it cannot be bought today: without a price, too young, or (of those not kept) full of gaps.

        frozen  symbol -> why it is held as it is; it is not bought either, and needs no estimates
        """
        found = {symbol: self.unpriced[symbol] for symbol in symbols if symbol in self.unpriced} | {**frozen}
        found |= self.young(sorted({*wanted} - {*found}), policy.lookback_days)
        if policy.on_gaps == "exclude":
            others = [symbol for symbol in symbols if symbol not in found]
            found |= self.gappy(others, policy.lookback_days, kept)
        return found

    def missing_rates(self, symbols: Sequence[str], base: str) -> str | None:
        """Why the symbols cannot be valued in a currency; None where they can."""
        used = {self.currencies[self.columns[symbol]] for symbol in symbols} - {""}
        told = [self.keep(("rate", unit, base), partial(self._no_rate, unit, base)) for unit in sorted(used)]
        return next(filter(None, told), None)

    def _no_rate(self, unit: str, base: str) -> str | None:
        try:
            exchange_rate(self.con, self.pack, unit, base)
        except DataError as error:
            return str(error)
        return None

    def universe(self, model: ModelFile) -> tuple[str, ...]:
        """The symbols that accounts of a model may hold: those it lists, or all that the pack prices."""
        return self.everything if model.universe == "all" else tuple(model.universe)

    def without_volume(self, tradable: Collection[str], account: Account) -> str | None:
        """Why square-root impact cannot be measured for what may be traded; None where it can, or is not asked for."""
        if not account.policy.root_impact:
            return None
        key = ("volume", frozenset(tradable), account.base_currency)
        return self.keep(key, lambda: self._no_volume(tradable, account.base_currency))

    def _no_volume(self, tradable: Collection[str], base: str) -> str | None:
        try:
            liquidity_of(self.con, self.pack, tradable, (), base)
        except DataError as error:
            return str(error)
        return None

    def cap_weights(self, symbols: tuple[str, ...], currency: str) -> dict[str, float]:
        """As in the function of that name."""
        key = ("caps", symbols, currency)
        return self.keep(key, lambda: cap_weights(self.con, self.pack, symbols, currency))

    def benchmark(self, account: Account, investable: tuple[str, ...]) -> dict[str, float]:
        """Benchmark weights by symbol; raises DataError when market caps are asked for and missing."""
        stated = account.model.benchmark
        if isinstance(stated, dict):
            return {symbol: percent / 100 for symbol, percent in sorted(stated.items())}
        if stated == "equal_weight":
            return {symbol: 1 / len(investable) for symbol in investable}
        if stated == "market_cap":
            return self.cap_weights(investable, account.base_currency)
        return {stated: 1.0}


def priced_symbols(con: Connection, pack: Pack) -> tuple[str, ...]:
    """Every symbol that a pack prices, ascending."""
    rows = con.execute(
        "select distinct symbol from believed_prices(?) where date between ? and ? order by 1",
        [pack.watermark, window_start(con, pack, STALE_SESSIONS), pack.as_of],
    ).fetchall()
    return tuple(str(row[0]) for row in rows)


def benchmark_symbols(model: ModelFile) -> tuple[str, ...]:
    """The symbols that a benchmark names."""
    if isinstance(model.benchmark, dict):
        return tuple(sorted(model.benchmark))
    return () if model.benchmark in WEIGHTINGS else (model.benchmark,)


def weighting(model: ModelFile) -> str:
    """How a benchmark's weights are made: "fixed", "equal_weight" or "market_cap"."""
    stated = model.benchmark
    return stated if isinstance(stated, str) and stated in WEIGHTINGS else "fixed"


def is_too_young(why: str) -> bool:
    """Whether a reason to leave a symbol out is that of `Listing.young`; packs keep reasons in words alone."""
    return why.startswith("has ") and why.endswith(TOO_FEW)


def cap_weights(con: Connection, pack: Pack, symbols: tuple[str, ...], currency: str) -> dict[str, float]:
    """Weights in proportion to market capitalisation; raises DataError naming the symbols without one."""
    caps = newest_caps(con, pack, symbols, currency)
    if missing := [symbol for symbol in symbols if symbol not in caps]:
        raise DataError(
            f"{pack.id} has no market cap of {missing} that can be told in {currency}: ingest market_caps and the "
            f"fx_rates of their currencies, or choose another benchmark and prior"
        )
    values = np.array([caps[symbol] for symbol in symbols])
    return dict(zip(symbols, (values / values.sum()).tolist(), strict=True))
