"""Orders of a paper book that were filled at a close which turned out to be another."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np

from optimizer import CorporateAction, Lot
from optimizer.model.portfolio import ZERO, exact, money
from resources.books.adjustments import NOT_BOUGHT, Adjustment, Carried, Market
from resources.books.day_before import CURRENT
from resources.books.restated_units import NEAR
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.packs.panels import Panel


@dataclass(frozen=True)
class Fills:
    """The fills of a portfolio up to a pack; units as in `unit_changes`."""

    con: Connection
    previous: Pack
    portfolio_id: str
    units: Mapping[str, Fraction]

    def corrected(self, book: Carried, seen: Panel, panel: Panel, market: Market) -> Carried:
        """The book with cash for such orders, and what they bought at its cost of now; prices as seen then and now."""
        rows = {day: row for row, day in enumerate(panel.dates)}
        for column, symbol in enumerate(seen.symbols):
            unit = float(self.units.get(symbol, Fraction(1)))
            for row in np.flatnonzero(np.isfinite(seen.close[:, column])):
                day, old = seen.dates[row], float(seen.close[row, column])
                new = float(panel.close[rows[day], column]) * unit if day in rows else np.nan
                if np.isfinite(new) and abs(new / old - 1) > (1e-6 if unit == 1 else NEAR):
                    book = self._refilled(book, symbol, day, old, new, market)
        return book

    def _refilled(
        self, book: Carried, symbol: str, day: date, old: float, new: float, market: Market
    ) -> Carried:
        change, filled = self._filled(symbol, day)
        if not change:
            return book
        rate = exact(market(CorporateAction(symbol, day, "split", 1.0))[0])
        each = (exact(new) - exact(old)) * rate
        cash = money(-change * each)
        note = (
            f"{symbol}: its close of {day} is {new:,.10g}, not {old:,.10g}: {cash:,.2f} for the "
            f"{float(abs(change)):,.10g} shares {'bought' if change > 0 else 'sold'} at it; known late"
        )
        bought = f"{symbol}-{filled:%Y%m%d}"
        items = tuple(
            replace(item, cost_basis=max(item.cost_basis + each, ZERO))
            if isinstance(item, Lot) and item.symbol == symbol and item.lot_id == bought else item
            for item in book.items
        )  # fmt: skip
        return book.then(items, cash, [Adjustment(symbol, day, "correction", ZERO, cash, note, late=True)])

    def _filled(self, symbol: str, day: date) -> tuple[Decimal, date]:
        """The shares of a symbol that orders bought at the close of a day (sold below 0), and the pack's day."""
        days = self.con.execute(
            f"with packs as ({CURRENT}) select p.as_of, p.pack_id from packs p join latest_portfolio_snapshots s "
            "using (pack_id) where s.portfolio_id = ? and s.holdings_date is not null and p.as_of <= ? "
            "order by p.as_of",
            [self.portfolio_id, self.previous.as_of],
        ).fetchall()
        later = [number for number, (as_of, _) in enumerate(days) if as_of >= day]
        if not later or later[0] == 0 or days[later[0] - 1][0] >= day:
            return ZERO, day
        filled, before = days[later[0]][0], days[later[0] - 1][1]
        newer = self.con.execute(
            "select count(*) from believed_prices(?) where symbol = ? and date > ? and date <= ?",
            [self.previous.watermark, symbol, day, filled],
        ).fetchall()[0][0]
        order = self.con.execute(
            "select target_quantity - current_quantity from latest_trades where pack_id = ? and portfolio_id = ? "
            "and symbol = ?",
            [before, self.portfolio_id, symbol],
        ).fetchall()
        left = self.con.execute(
            "select 1 from latest_holding_adjustments where pack_id = ? and portfolio_id = ? and symbol = ? "
            "and kind = ?",
            [days[later[0]][1], self.portfolio_id, symbol, NOT_BOUGHT],
        ).fetchall()
        return (exact(order[0][0]), filled) if order and not newer and not left else (ZERO, filled)
