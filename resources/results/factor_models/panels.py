"""What a factor model is fitted on: all that the pack knew of its names and of the market."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from optimizer import FactorPanel, Recipe, simple_returns
from optimizer.factors.panel import YEAR, Codes, Mask, sector_codes
from optimizer.model.returns import growth_index
from optimizer.typing import Array
from resources.ledger.ledger import Connection
from resources.packs.dated_facts import known_caps, known_characteristics, stated_sectors
from resources.packs.delistings import HAD, names_had
from resources.packs.liquidity import traded_volumes
from resources.packs.pack_prices import in_currency, newest_facts, read_panel, window_start
from resources.packs.packs import Pack

DESCRIBED = 1.6  # calendar days a session, with room: a year of them is read for the descriptors
NEARBY = 5  # sessions either way, among which a day counts as a session when half as many names are priced


def factor_panel(con: Connection, pack: Pack, recipe: Recipe, since: date | None = None) -> FactorPanel:
    """All that the pack knew of the recipe's symbols, and of all others of a known sector and capitalisation.

    As many sessions as the recipe looks back are regressed, and a YEAR before them is read for the descriptors.
    since  the first day to be read in place of these, for models of earlier days: then no number of a day hangs on a
           later one, by not one bit
    """
    symbols = tuple(sorted({*recipe.symbols, *classified(con, pack)}))
    start = since or window_start(con, pack, recipe.lookback_days + YEAR + 1)
    panel = read_panel(con, pack, symbols, start)
    forward = None if since is None else growth_index(panel.close, panel.paid, panel.split)
    prices = in_currency(con, pack, panel, recipe.currency, forward)
    rows = _sessions(np.isfinite(prices.to_numpy(dtype=float)), ahead=since is None)
    closes = in_currency(con, pack, panel, recipe.currency, panel.close)
    traded = closes * traded_volumes(con, pack, symbols, start).reindex_like(closes)
    names, codes = _sectors(con, pack, symbols, panel.dates)
    caps = _caps(con, pack, symbols, recipe.currency, prices)
    returns = simple_returns(prices.to_numpy(dtype=float)[rows])
    later = rows[1:]
    dates = tuple(panel.dates[row] for row in later)
    return FactorPanel(
        symbols, dates, returns, None if caps is None else caps[later], traded.to_numpy(dtype=float)[later],
        names, codes[later], known_characteristics(con, pack, symbols, dates),
    )  # fmt: skip


def classified(con: Connection, pack: Pack) -> list[str]:
    """The symbols with a sector and a capitalisation on record: the market that factors are estimated on."""
    stated = con.execute(
        "select symbol from securities union select symbol from market_caps "
        "union select new_symbol from corporate_actions where kind = 'rename'"
    ).fetchall()
    had = names_had(con, pack, [str(symbol) for (symbol,) in stated])
    seen = f"join {HAD} using (symbol) where date >= since and date < until and date <= ? and ingest_seq <= ?"
    rows = con.execute(
        f"select company from securities {seen} and sector is not null "
        f"intersect select company from market_caps {seen} order by company",
        2 * [*had, pack.as_of, pack.watermark],
    ).fetchall()
    return [str(row[0]) for row in rows]


def _sessions(priced: Mask, *, ahead: bool) -> Codes:
    """Places of the days on which the market was open, not only some foreign one; `ahead`: by later days too."""
    counts = pd.Series(priced.sum(axis=1))
    busiest = counts.rolling(2 * NEARBY + 1, center=ahead, min_periods=1).max()
    return np.flatnonzero((counts > 0) & (counts >= busiest / 2))


def _caps(
    con: Connection, pack: Pack, symbols: Sequence[str], currency: str, prices: pd.DataFrame
) -> Array | None:
    if not newest_facts(con, pack, "market_caps", ["market_cap"], symbols)["market_cap"]:
        return None
    return np.asarray(known_caps(con, pack, symbols, currency, prices.index).to_numpy(dtype=float))


def _sectors(
    con: Connection, pack: Pack, symbols: Sequence[str], dates: Sequence[date]
) -> tuple[tuple[str, ...], Codes]:
    """Sector names and (T, n) indices: as stated by each date, before that the first one stated."""
    stated = stated_sectors(con, pack, list(symbols)).reindex(columns=list(symbols))
    days = pd.DatetimeIndex(list(dates))
    told = (
        stated.ffill().bfill().reindex(days, method="ffill").bfill() if len(stated) else stated.reindex(days)
    )
    flat = told.fillna("").to_numpy(dtype=str)
    names, codes = sector_codes(flat.ravel().tolist())
    return names, codes.reshape(flat.shape)
