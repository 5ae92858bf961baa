"""Prices with the day on which each became known, for backtests that decide on what was known then."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from optimizer import DataError, Vintages
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import chosen_sources, read_panel, span_columns
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.packs.rates import exchange_rate_series
from resources.packs.spin_offs import CARRIED


def read_vintages(con: Connection, pack: Pack, symbols: Sequence[str], currency: str) -> Vintages:
    """Every delivery of the symbols' prices that the pack may see, in one currency, in the order of ingestion.

    A row is known from its `known_at` on, bulk history from the day on which it was ingested; that it is believed no
    longer is known in the same way. Exchange rates are those that the pack sees, of each row's date. Raises
    DataError where there is no price.
    """
    spans = chosen_sources(con, pack, symbols)
    rows = con.execute(
        """
        with wanted as (
            select unnest(?) as symbol, unnest(?) as source, unnest(?::date[]) as first_day,
                unnest(?::date[]) as last_day)
        select p.symbol, p.date, coalesce(p.known_at, m."at"::date) as known_at, p.close, p.dividend, p.split,
            p.currency, coalesce(p.withdrawn, false) as withdrawn
        from prices p join wanted w
            on p.symbol = w.symbol and p.source = w.source and p.date between w.first_day and w.last_day
            join materializations m on m.id = p.ingest_seq
        where p.date <= ? and p.ingest_seq <= ?
        order by p.ingest_seq, p.date, p.symbol
        """,
        [*span_columns(spans), pack.as_of, pack.watermark],
    ).fetchnumpy()
    if not len(rows["date"]):
        raise DataError(f"{pack.id} sees no price of {', '.join(symbols)}: ingest their history")
    table = pd.DataFrame({name: np.asarray(values) for name, values in rows.items()})
    _add_spin_offs(table, read_panel(con, pack, symbols))
    for foreign in sorted(set(table["currency"]) - {currency}):
        own = table["currency"] == foreign
        days = pd.DatetimeIndex(table.loc[own, "date"]).date.tolist()
        rates = exchange_rate_series(con, pack, foreign, currency, days)
        table.loc[own, "close"] *= rates
        table.loc[own, "dividend"] *= rates
    return Vintages(table)


def _add_spin_offs(table: pd.DataFrame, panel: Panel) -> None:
    """What was spun off is a dividend of every row of its day that does not carry it already."""
    if panel.in_kind is None:
        return
    for row, column in np.argwhere(panel.in_kind > 0):
        day = table["date"] == pd.Timestamp(panel.dates[row])
        own = day & (table["symbol"] == panel.symbols[column])
        worth = panel.in_kind[row, column] * table.loc[own, "split"]
        table.loc[own, "dividend"] += worth.where(table.loc[own, "dividend"] < CARRIED * worth, 0.0)
