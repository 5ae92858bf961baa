"""Volumes that a pack saw, as the liquidity that square-root impact is measured by."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from math import inf

import numpy as np
import pandas as pd

from optimizer import DataError, Liquidity, LiquidityPanel, rolling_liquidity
from optimizer.errors import MOST_NAMED, some_of
from optimizer.model.liquidity import LIQUIDITY_DAYS
from optimizer.model.returns import growth_index
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import chosen_sources, in_currency, read_panel, span_columns, window_start
from resources.packs.packs import Pack

# Of an index in the benchmark that is neither held nor bought nobody needs the volume.
NEVER_TRADED = Liquidity(inf, 0.0)


def read_liquidity(
    con: Connection, pack: Pack, symbols: Sequence[str], currency: str, start: date | None = None
) -> LiquidityPanel:
    """Volume and volatility of the symbols in base currency at each close since `start`, as the pack saw them.

    start  of the first of the days that count; None: enough of them for the newest close
    """
    since = window_start(con, pack, LIQUIDITY_DAYS + 1) if start is None else start
    panel = read_panel(con, pack, symbols, since)
    closes = in_currency(con, pack, panel, currency, panel.close)
    volumes = traded_volumes(con, pack, symbols, since).reindex_like(closes)
    grown = growth_index(panel.close, panel.paid, panel.split)
    return rolling_liquidity(closes * volumes, in_currency(con, pack, panel, currency, grown))


def traded_volumes(con: Connection, pack: Pack, symbols: Sequence[str], start: date) -> pd.DataFrame:
    """Shares traded each day, dates x symbols, NaN where a source states none."""
    spans = chosen_sources(con, pack, symbols)
    found = con.execute(
        """
        with wanted as (
            select unnest(?) as symbol, unnest(?) as source, unnest(?::date[]) as first_day,
                unnest(?::date[]) as last_day)
        select p.date, p.symbol, p.volume::double as volume
        from believed_prices(?) p join wanted w
            on p.symbol = w.symbol and p.source = w.source and p.date between w.first_day and w.last_day
        where p.date between ? and ?
        qualify row_number() over (partition by p.symbol, p.date order by p.ingest_seq desc) = 1
        order by p.date, p.symbol
        """,
        [*span_columns(spans), pack.watermark, start, pack.as_of],
    ).fetchnumpy()
    table = pd.DataFrame({name: np.ma.filled(values, np.nan) if name == "volume" else np.asarray(values)
                          for name, values in found.items()})  # fmt: skip
    wide = table.pivot(index="date", columns="symbol", values="volume")
    wide.index = pd.DatetimeIndex(wide.index, name="date")
    return wide


def newest_liquidity(
    con: Connection, pack: Pack, symbols: Iterable[str], currency: str
) -> dict[str, Liquidity]:
    """What each symbol that has volume trades like at the pack's newest close."""
    panel = read_liquidity(con, pack, sorted(symbols), currency)
    return panel.at(panel.volume.index[-1])


def liquidity_of(
    con: Connection, pack: Pack, tradable: Iterable[str], benchmark: Iterable[str], currency: str
) -> Mapping[str, Liquidity]:
    """The liquidity of all that may be traded; DataError names what has no volume."""
    wanted = sorted(set(tradable))
    found = newest_liquidity(con, pack, wanted, currency)
    if missing := [symbol for symbol in wanted if symbol not in found]:
        raise DataError(
            f"no volume of {some_of(missing, MOST_NAMED)} is known in the last {LIQUIDITY_DAYS} sessions of {pack.id}, "
            f"by which policy.root_impact and max_participation_pct are measured: deliver it, take them out of the "
            f"universe, or drop both keys"
        )
    return {**dict.fromkeys(set(benchmark) - set(wanted), NEVER_TRADED), **found}
