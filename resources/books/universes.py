"""What a portfolio may hold under a pack, what it may not and why, and what it is measured against."""

import numpy as np

from optimizer.errors import DataError
from optimizer.proposals.proposal import MIN_OBSERVATIONS
from resources.packs.delistings import delistings
from resources.packs.liquidity import liquidity_of
from resources.packs.pack_prices import exchange_rate, newest_facts, read_panel, window_start
from resources.packs.packs import Pack
from resources.settings.portfolios import PortfolioFile
from resources.store.ledger import Connection

STALE_SESSIONS = 5
UNPRICED = f"has no price in the last {STALE_SESSIONS} sessions"


def unpriced_symbols(con: Connection, pack: Pack, symbols: list[str]) -> dict[str, str]:
    """Symbol -> why it has no price that a trade could be made at."""
    last = read_panel(con, pack, symbols, window_start(con, pack, STALE_SESSIONS))
    found = {symbol: UNPRICED for column, symbol in enumerate(symbols) if last.last_close(column) is None}
    return found | {symbol: str(end) for symbol, end in delistings(con, pack, symbols).items()}


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


def universe_of(con: Connection, pack: Pack, file: PortfolioFile) -> tuple[str, ...]:
    """The symbols that a portfolio may hold: those it lists, or all that the pack prices."""
    if file.universe != "all":
        return tuple(file.universe)
    rows = con.execute(
        "select distinct symbol from prices where date between ? and ? and ingest_seq <= ? order by 1",
        [window_start(con, pack, STALE_SESSIONS), pack.as_of, pack.watermark],
    ).fetchall()
    return tuple(str(row[0]) for row in rows)


def benchmark_symbols(file: PortfolioFile) -> tuple[str, ...]:
    """The symbols that a benchmark names."""
    if isinstance(file.benchmark, dict):
        return tuple(sorted(file.benchmark))
    return () if file.benchmark in ("equal_weight", "market_cap") else (file.benchmark,)


def benchmark_weights(
    con: Connection, pack: Pack, file: PortfolioFile, investable: tuple[str, ...]
) -> dict[str, float]:
    """Benchmark weights by symbol; raises DataError when market caps are asked for and missing."""
    if isinstance(file.benchmark, dict):
        return {symbol: percent / 100 for symbol, percent in sorted(file.benchmark.items())}
    if file.benchmark == "equal_weight":
        return {symbol: 1 / len(investable) for symbol in investable}
    if file.benchmark == "market_cap":
        return cap_weights(con, pack, investable)
    return {file.benchmark: 1.0}


def cap_weights(con: Connection, pack: Pack, symbols: tuple[str, ...]) -> dict[str, float]:
    """Weights in proportion to market capitalisation; raises DataError naming the symbols without one."""
    caps = newest_facts(con, pack, "market_caps", "market_cap", symbols)
    if missing := [symbol for symbol in symbols if symbol not in caps]:
        raise DataError(
            f"{pack.id} has no market cap of {missing}: ingest market_caps, or choose another benchmark"
        )
    values = np.array([float(str(caps[symbol])) for symbol in symbols])
    return dict(zip(symbols, (values / values.sum()).tolist(), strict=True))


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
