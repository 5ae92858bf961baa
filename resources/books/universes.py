"""What a portfolio may hold under a pack, what it may not and why, and what it is measured against."""

from collections.abc import Collection, Sequence

import numpy as np

from optimizer import DataError
from optimizer.model.sessions import costly_gaps
from optimizer.proposals.compiled_policy import MIN_OBSERVATIONS
from resources.ledger.ledger import Connection
from resources.packs.delistings import gone_symbols
from resources.packs.liquidity import liquidity_of
from resources.packs.missing_data import questions_at, set_aside_since
from resources.packs.near_symbols import unknown_symbols
from resources.packs.pack_prices import newest_facts, read_panel, window_start
from resources.packs.packs import Pack
from resources.packs.rates import exchange_rate, ways
from resources.settings.portfolios import PortfolioFile

STALE_SESSIONS = 5
WEIGHTINGS = ("equal_weight", "market_cap")  # of the investable names; any other benchmark has fixed weights
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


def young_symbols(con: Connection, pack: Pack, symbols: list[str], lookback_days: int) -> dict[str, str]:
    """Symbol -> why its history is too short; none where all are young.

    Estimates need days on which all symbols are priced: one new listing must not leave the others without any.
    """
    needed = MIN_OBSERVATIONS + 1
    panel = read_panel(con, pack, symbols, window_start(con, pack, lookback_days + 1))
    days = dict(zip(symbols, np.isfinite(panel.close).sum(axis=0).tolist(), strict=True))
    if max(days.values(), default=0) < needed:
        return {}
    return {
        symbol: f"has {count} days of prices; {needed} are needed"
        for symbol, count in days.items()
        if count < needed
    }


def gappy_symbols(
    con: Connection, pack: Pack, symbols: list[str], lookback_days: int, kept: Collection[str]
) -> dict[str, str]:
    """Symbol -> what its gaps would cost the others: they are estimated on the dates on which all are priced.

    kept  symbols that are estimated whatever they cost, being held or in the benchmark
    """
    panel = read_panel(con, pack, symbols, window_start(con, pack, lookback_days + 1))
    dates = np.array(panel.dates, "datetime64[D]")
    return {
        symbol: f"has no price on {lacking} of {sessions} sessions, and the others are estimated on the dates on which "
        f"all are priced; on_gaps: keep or pairwise takes it in"
        for symbol, (lacking, sessions) in costly_gaps(np.isfinite(panel.close), dates, symbols, kept).items()
    }


def universe_of(con: Connection, pack: Pack, file: PortfolioFile) -> tuple[str, ...]:
    """The symbols that a portfolio may hold: those it lists, or all that the pack prices."""
    if file.universe != "all":
        return tuple(file.universe)
    rows = con.execute(
        "select distinct symbol from believed_prices(?) where date between ? and ? order by 1",
        [pack.watermark, window_start(con, pack, STALE_SESSIONS), pack.as_of],
    ).fetchall()
    return tuple(str(row[0]) for row in rows)


def benchmark_symbols(file: PortfolioFile) -> tuple[str, ...]:
    """The symbols that a benchmark names."""
    if isinstance(file.benchmark, dict):
        return tuple(sorted(file.benchmark))
    return () if file.benchmark in WEIGHTINGS else (file.benchmark,)


def benchmark_weights(
    con: Connection, pack: Pack, file: PortfolioFile, investable: tuple[str, ...]
) -> dict[str, float]:
    """Benchmark weights by symbol; raises DataError when market caps are asked for and missing."""
    if isinstance(file.benchmark, dict):
        return {symbol: percent / 100 for symbol, percent in sorted(file.benchmark.items())}
    if file.benchmark == "equal_weight":
        return {symbol: 1 / len(investable) for symbol in investable}
    if file.benchmark == "market_cap":
        return cap_weights(con, pack, investable, file.base_currency)
    return {file.benchmark: 1.0}


def cap_weights(con: Connection, pack: Pack, symbols: tuple[str, ...], currency: str) -> dict[str, float]:
    """Weights in proportion to market capitalisation; raises DataError naming the symbols without one."""
    caps = market_caps(con, pack, symbols, currency)
    if missing := [symbol for symbol in symbols if symbol not in caps]:
        raise DataError(
            f"{pack.id} has no market cap of {missing} that can be told in {currency}: ingest market_caps and the "
            f"fx_rates of their currencies, or choose another benchmark and prior"
        )
    values = np.array([caps[symbol] for symbol in symbols])
    return dict(zip(symbols, (values / values.sum()).tolist(), strict=True))


def market_caps(con: Connection, pack: Pack, symbols: Sequence[str], currency: str) -> dict[str, float]:
    """The newest market capitalisation of each symbol that has one, in one currency at the pack's rates.

    One in a currency without a rate is not known.
    """
    caps = newest_facts(con, pack, "market_caps", "market_cap", symbols)
    stated = newest_facts(con, pack, "market_caps", "currency", symbols)
    rates = ways(con, pack, sorted({str(unit) for unit in stated.values()}), currency, [pack.as_of])
    known = {
        symbol: float(str(cap)) * float(rates[str(stated[symbol])].rates[0]) for symbol, cap in caps.items()
    }
    return {symbol: cap for symbol, cap in known.items() if np.isfinite(cap)}


def without_volume(con: Connection, pack: Pack, tradable: set[str], file: PortfolioFile) -> str | None:
    """Why square-root impact cannot be measured for what may be traded; None where it can, or is not asked for."""
    if not file.policy.root_impact:
        return None
    try:
        liquidity_of(con, pack, tradable, (), file.base_currency)
    except DataError as error:
        return str(error)
    return None


def missing_rates(con: Connection, pack: Pack, symbols: list[str], file: PortfolioFile) -> str | None:
    """Why the symbols cannot be valued in a portfolio's currency; None where they can."""
    panel = read_panel(con, pack, symbols, window_start(con, pack, STALE_SESSIONS))
    try:
        for currency in sorted({currency for currency in panel.currency if currency}):
            exchange_rate(con, pack, currency, file.base_currency)
    except DataError as error:
        return str(error)
    return None
