"""A paper or live book through real packs of a small warehouse, day by day, with orders given by hand."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from bench import PRICE_TYPES, STAMP, copied, ingest, new_warehouse, staying_open, take_snapshot

from resources.accounts.known import account_of
from resources.books.day_before import DayBefore, OutOfDate, day_before, out_of_date
from resources.books.snapshots import Snapshot, read_snapshots
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack, cut_pack, newest_fresh
from resources.screening.pack_checks import CheckLimits
from resources.settings.portfolios import PortfolioFile
from resources.settings.yaml_files import parse_yaml
from resources.store.transaction import Transaction

ACTIONS = pa.schema([
    ("symbol", pa.string()), ("date", pa.date32()), ("kind", pa.string()), ("value", pa.float64()),
    ("currency", pa.string()), ("note", pa.string()), ("source", pa.string()), ("new_symbol", pa.string()),
    ("cash", pa.float64()), ("cash_in_lieu", pa.float64()), ("basis_share", pa.float64()), ("withdrawn", pa.bool_()),
])  # fmt: skip
DAYS = tuple(date(2024, 1, day) for day in range(2, 31))
EX = DAYS[22]
HELD = "cash: 1000, positions: {AAA: 300, BBB: 10}"

TOLD = [
    "symbol",
    "action",
    "quantity",
    "price",
    "value",
    "cost",
    "rationale",
    "current_quantity",
    "target_quantity",
]


def book_file(holdings: str, mode: str = "paper", policy: str = "{lookback_days: 20, risk_free_rate: 0.01, commission_per_trade: 0, market_impact_bps: 0}", more: str = "") -> PortfolioFile:  # fmt: skip  # noqa: E501
    """A portfolio of AAA and BBB; the holdings are of 2024-01-02."""
    text = (
        f"id: 11111111-1111-1111-1111-111111111111\nname: book\nmode: {mode}\nuniverse: [AAA, BBB]\n{more}"
        f"policy: {policy}\nholdings: [{{as_of: 2024-01-02, {holdings}}}]\n"
    )
    return parse_yaml(text, PortfolioFile, "book.yaml")


def close_rows(
    symbol: str, closes: Mapping[date, float], *, dividend: Mapping[date, float] | None = None,
    split: Mapping[date, float] | None = None, basis: str = "as_traded",
) -> list[dict[str, object]]:  # fmt: skip
    """Rows of `prices` of one symbol's closes."""
    return [
        {
            "symbol": symbol, "date": day, "open": None, "high": None, "low": None, "close": close, "volume": 1000,
            "dividend": (dividend or {}).get(day, 0.0), "split": (split or {}).get(day, 1.0),
            "vendor_adj_close": None, "currency": "USD", "basis": basis, "source": "feed", "simulated": False,
            "known_at": None,
        }
        for day, close in closes.items()
    ]  # fmt: skip


class Chain:
    """One book in a warehouse of its own; `flats` are symbols on record with the same close every day.

    begun    makes a warehouse that several chains go on from: it is made once, and copied
    sources  in order of precedence
    """

    sources: Sequence[str] = ("feed",)

    def __init__(
        self, folder: Path, file: PortfolioFile, begun: Callable[[Path], None] | None = None, **flats: float
    ) -> None:
        build = begun or (_with(tuple(flats.items())) if flats else None)
        self.warehouse = copied(build, folder, staying_open) if build else new_warehouse(folder, staying_open)
        self.file = file

    def prices(self, symbol: str, closes: Mapping[date, float], **told: Any) -> None:
        """A delivery of one symbol's closes."""
        self.deliver(close_rows(symbol, closes, **told))

    def deliver(self, rows: Sequence[Mapping[str, object]]) -> None:
        """A delivery of rows as `close_rows` makes them."""
        with self.warehouse.write(STAMP) as tx:
            ingest(tx, "prices", pa.Table.from_pylist(list(rows), schema=PRICE_TYPES))

    def action(self, symbol: str, day: date, kind: str, value: float | None = None, **more: object) -> None:
        """One corporate action on record."""
        self.actions([{"symbol": symbol, "date": day, "kind": kind, "value": value, **more}])

    def actions(self, told: Iterable[Mapping[str, object]]) -> None:
        """Corporate actions on record."""
        rows = [{"source": "desk", **row} for row in told]
        with self.warehouse.write(STAMP) as tx:
            ingest(tx, "corporate_actions", pa.Table.from_pylist(rows, schema=ACTIONS))

    def cut(self, day: date, revise: str | None = None) -> Pack:
        """The pack of a day."""
        with self.warehouse.write(STAMP) as tx:
            return cut_pack(tx, day, self.sources, DAYS, CheckLimits(coverage=0.1), revise=revise).pack

    def snapshot(self, day: date) -> Snapshot:
        """The book under the pack of a day, on record."""
        self.cut(day)
        with self.warehouse.write(STAMP) as tx:
            return self._snapshot(tx, day)

    def _snapshot(self, tx: Transaction, day: date) -> Snapshot:
        pack = newest_fresh(tx.con, day)
        before = self.before(tx.con, pack)
        found = take_snapshot(tx.con, pack, before, account_of(self.file, pack))
        tx.record(
            "portfolio_snapshots", found.frames(), pack_id=pack.id, portfolio_id=found.portfolio_id,
            inputs={"pricing_pack": pack.content_hash},
        )  # fmt: skip
        (back,) = read_snapshots(tx.con, pack)
        assert sorted(one.note for one in back.holdings.adjustments) == sorted(
            one.note for one in found.holdings.adjustments
        )
        return found

    def before(self, con: Connection, pack: Pack) -> DayBefore | None:
        """What the book's day rests on."""
        return day_before(con, pack, account_of(self.file, pack)) if self.file.mode == "paper" else None

    def order(self, day: date, wanted: Mapping[str, float]) -> None:
        """Other trades of a day that is on record: symbol -> shares wanted; what is left out stays."""
        with self.warehouse.write(STAMP) as tx:
            self._order(tx, day, wanted, read_snapshots(tx.con, newest_fresh(tx.con, day))[0])

    def _order(
        self, tx: Transaction, day: date, wanted: Mapping[str, float], snapshot: Snapshot,
        sold: Iterable[tuple[str, str, float]] = (),
    ) -> None:  # fmt: skip
        """`sold`: (symbol, lot, shares)."""
        held = {symbol: float(quantity) for symbol, quantity in snapshot.holdings.quantities.items()}
        rows = [
            {
                "symbol": symbol, "action": "SELL" if symbol in wanted else "HOLD", "quantity": 0.0, "price": 1.0,
                "value": 0, "cost": 0,
                "rationale": "", "current_quantity": held.get(symbol, 0.0),
                "target_quantity": wanted.get(symbol, held.get(symbol, 0.0)),
            }
            for symbol in sorted({*held, *wanted})
        ]  # fmt: skip
        lots = [
            {"symbol": s, "lot_id": lot, "quantity": shares, "proceeds": 0, "cost_basis": 0, "gain": 0,
             "long_term": False, "acquired": day} for s, lot, shares in sold
        ]  # fmt: skip
        frames = {
            "trades": pd.DataFrame(rows, columns=TOLD),
            "trade_lists": pd.DataFrame([{"cash_before": snapshot.holdings.cash, "constraints_met": True}]),
            **({"lot_sales": pd.DataFrame(lots)} if lots else {}),
        }
        tx.record("trades", frames, pack_id=newest_fresh(tx.con, day).id, portfolio_id=snapshot.portfolio_id)

    def day(self, day: date, wanted: Mapping[str, float] | None = None, **told: Iterable[tuple[str, str, float]]) -> Snapshot:  # fmt: skip  # noqa: E501
        """Snapshot and trades of a day."""
        self.cut(day)
        with self.warehouse.write(STAMP) as tx:
            found = self._snapshot(tx, day)
            self._order(tx, day, wanted or {}, found, **told)
        return found

    def out_of_date(self) -> list[OutOfDate]:
        """Days that no longer follow from the day before."""
        with self.warehouse.live() as con:
            return out_of_date(con)


@cache
def _with(flats: tuple[tuple[str, float], ...]) -> Callable[[Path], None]:
    return partial(_deliver, flats)


def _deliver(flats: Sequence[tuple[str, float]], folder: Path) -> None:
    warehouse = new_warehouse(folder)
    for symbol, close in flats:
        with warehouse.write(STAMP) as tx:
            rows = close_rows(symbol, flat(close))
            ingest(tx, "prices", pa.Table.from_pylist(rows, schema=PRICE_TYPES))


def shares(snapshot: Snapshot) -> dict[str, float]:
    """What is held."""
    return {symbol: float(quantity) for symbol, quantity in snapshot.holdings.quantities.items()}


def flat(close: float, days: Iterable[date] = DAYS) -> dict[date, float]:
    """The same close every day."""
    return dict.fromkeys(days, close)


def upto(closes: Mapping[date, float], day: date) -> dict[date, float]:
    """The closes of a day and before."""
    return {known: close for known, close in closes.items() if known <= day}


def halved(parts: float) -> dict[date, float]:
    """100 before the ex-date, a part of it from then on."""
    return {day: 100.0 / (parts if day >= EX else 1) for day in DAYS}


def cash(snapshot: Snapshot) -> Decimal:
    """Its cash."""
    return snapshot.holdings.cash


def chain(folder: Path, holdings: str = HELD, **told: str) -> Chain:
    """A book of AAA and BBB, which is 50 every day."""
    return Chain(folder, book_file(holdings, **told), BBB=50.0)
