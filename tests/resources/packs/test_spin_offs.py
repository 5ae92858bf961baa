"""What corporate actions do to the prices of a pack: spin-offs are returns, and who is gone cannot be held."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from bench import PRICE_TYPES, STAMP, ingest, new_warehouse, staying_open

from optimizer import CostModel, DataError, OptimizationBacktest, PolicyError
from optimizer.backtests.panel import BacktestSettings
from optimizer.model.actions.action_kinds import CorporateAction
from optimizer.model.actions.corporate_actions import final_return
from resources.packs.delistings import gone_symbols
from resources.packs.pack_prices import read_panel
from resources.packs.packs import cut_pack
from resources.packs.panels import Panel
from resources.packs.point_in_time import read_vintages
from resources.screening.pack_checks import CheckLimits

DAYS = tuple(date(2024, 1, 2) + timedelta(days=number) for number in range(6))
EX = DAYS[3]
PARENT = [100.0, 100, 100, 80, 80, 80]
CHILD = [None, None, None, 40.0, 44, 40]


def prices(
    symbol: str, closes: list[float | None], dividends: list[float] | None = None, **more: object
) -> list[dict[str, object]]:
    paid = dividends or [0.0] * len(closes)
    row = {
        "symbol": symbol,
        "split": 1.0,
        "currency": "USD",
        "basis": "as_traded",
        "source": "feed",
        "simulated": False,
    }
    return [
        row | {"date": day, "close": close, "dividend": dividend} | more
        for day, close, dividend in zip(DAYS, closes, paid, strict=True)
        if close is not None
    ]


def spin_off(**more: object) -> dict[str, object]:
    return {"symbol": "OLD", "date": EX, "kind": "spin_off", "value": 0.5, "new_symbol": "NEW"} | more


class Desk:
    def __init__(self, home: Path) -> None:
        self.warehouse = new_warehouse(home, staying_open)

    def ingest(self, log: str, rows: list[dict[str, object]], schema: pa.Schema | None = None) -> None:
        names = {name for row in rows for name in row}
        full = [{name: row.get(name) for name in names | {"source"}} | {"source": "feed"} for row in rows]
        with self.warehouse.write(STAMP) as tx:
            ingest(tx, log, pa.Table.from_pylist(full, schema=schema))

    def seen(
        self, rows: list[dict[str, object]], actions: list[dict[str, object]], symbols: list[str]
    ) -> Panel:
        self.ingest("prices", rows, PRICE_TYPES)
        self.ingest("corporate_actions", actions)
        with self.warehouse.write(STAMP) as tx:
            self.pack = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits()).pack
        with self.warehouse.live() as con:
            return read_panel(con, self.pack, symbols)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_spin_off_is_a_return_at_the_first_close_of_the_new_share(desk: Desk) -> None:
    panel = desk.seen([*prices("OLD", PARENT), *prices("NEW", CHILD)], [spin_off()], ["OLD"])
    np.testing.assert_allclose(panel.total_return()["OLD"], 80.0, rtol=1e-12)  # 100 = 80 + 0.5 x 40
    assert panel.dividend[3, 0] == 0  # no cash for a book to have
    with desk.warehouse.live() as con:
        known = read_vintages(con, desk.pack, ["NEW", "OLD"], "USD").known_on(pd.Timestamp("2024-01-31"))
    np.testing.assert_allclose(known["OLD"], 80.0, rtol=1e-12)


@pytest.mark.parametrize(("later", "again"), [(0, 40.0), (1, None)])
def test_what_a_new_share_spins_off_before_its_first_close_is_the_holder_s_too(
    desk: Desk, later: int, again: float | None
) -> None:
    """On one day, or before the new share is first priced: a fall of 20 of 100 was no fall but for 4 of it."""
    rows = [*prices("OLD", [100.0, 100, 100, 76, 76, 76]), *prices("SUB", [None, None, None, None, 16.0, 16])]
    rows += prices("NEW", [None, None, None, again, 40.0, 40])
    sub = spin_off(symbol="NEW", new_symbol="SUB", date=DAYS[3 + later])
    panel = desk.seen(rows, [spin_off(), sub], ["OLD"])
    assert panel.in_kind is not None
    np.testing.assert_allclose(panel.in_kind[3], 24.0, rtol=1e-12)  # 0.5 x (40 + 0.5 x 16)
    np.testing.assert_allclose(panel.total_return()["OLD"], 76.0, rtol=1e-12)


def test_spin_offs_in_a_circle_end_and_take_no_other_name_with_them(desk: Desk) -> None:
    rows = [*prices("OLD", PARENT), *prices("NEW", CHILD), *prices("ALONE", [1.0] * 6)]
    circle = [spin_off(), spin_off(symbol="NEW", new_symbol="OLD")]
    panel = desk.seen(rows, circle, ["ALONE", "OLD"])
    assert panel.total_return()["ALONE"].tolist() == [1.0] * 6


def test_what_the_vendor_tells_as_a_dividend_is_the_spin_off_and_is_not_paid_in_cash_too(desk: Desk) -> None:
    told = prices("OLD", PARENT, [0, 0, 0, 21.5, 0, 0])
    cash = {"symbol": "OLD", "date": EX, "kind": "dividend", "value": 1.0}
    panel = desk.seen([*told, *prices("NEW", CHILD)], [spin_off(), cash], ["NEW", "OLD"])
    # As the vendor has it.
    assert panel.total_return()["OLD"].iloc[2] == pytest.approx(80 / ((80 + 21.5) / 100))
    assert panel.dividend[3, 1] == 1.0
    assert panel.in_kind is not None
    assert panel.in_kind[3, 1] == pytest.approx(20.5)


def test_without_a_price_of_the_new_share_the_share_of_the_cost_tells_its_value(desk: Desk) -> None:
    panel = desk.seen(prices("OLD", PARENT), [spin_off(basis_share=0.2)], ["OLD"])
    np.testing.assert_allclose(panel.total_return()["OLD"], 80.0, rtol=1e-12)


def test_a_new_share_in_another_currency_needs_the_share_of_the_cost(desk: Desk) -> None:
    rows = [*prices("OLD", PARENT), *prices("NEW", CHILD, currency="CAD")]
    with pytest.raises(DataError, match="priced in USD and CAD: state its basis_share"):
        desk.seen(rows, [spin_off()], ["OLD"])


def test_a_ticker_that_another_company_had_before_shows_its_own_rows_only(desk: Desk) -> None:
    rename = {"symbol": "OLD", "date": EX, "kind": "rename", "new_symbol": "NEW", "value": None}
    panel = desk.seen(prices("OLD", [100.0, 100, 100, 7, 7, 7]), [rename], ["OLD"])
    assert panel.close[:, 0].tolist() == [7, 7, 7]


def test_who_is_gone_cannot_be_held_and_why(desk: Desk) -> None:
    until = [10.0, 10, 10, None, None, None]
    rows = [line for name in ("CASH", "BOTH", "NAME", "ZERO", "BACK") for line in prices(name, until)]
    rows += [*prices("BACK", [None, None, None, None, 5.0, 5.0]), *prices("NEW", [40.0] * 6)]
    terms = {
        "CASH": {"kind": "merger", "cash": 12.5, "currency": "USD"},
        "BOTH": {"kind": "merger", "cash": 2.0, "value": 0.25, "new_symbol": "NEW"},
        "NAME": {"kind": "rename", "new_symbol": "NEW"},
        "ZERO": {"kind": "delisting", "value": 0.0},
        "BACK": {"kind": "delisting", "value": 1.0},
    }
    desk.seen(rows, [{"symbol": name, "date": EX} | told for name, told in terms.items()], ["NEW"])
    with desk.warehouse.live() as con:
        assert gone_symbols(con, desk.pack, [*terms, "NEW"]) == {
            "BOTH": "was merged on 2024-01-05 for 0.25 NEW and 2 in cash a share",
            "CASH": "was merged on 2024-01-05 for 12.5 USD a share",
            "NAME": "is called NEW since 2024-01-05",
            "ZERO": "was delisted on 2024-01-05 for 0 USD a share",
        }


@pytest.mark.parametrize(
    ("terms", "paid"),
    [
        ({"kind": "delisting", "value": 0.0}, 0.0),
        ({"kind": "delisting", "value": 30.0}, 30.0),
        ({"kind": "merger", "cash": 55.0}, 55.0),
        ({"kind": "merger", "value": 0.25, "new_symbol": "NEW"}, 40.0),
        ({"kind": "merger", "value": 0.25, "new_symbol": "NEW", "cash": 8.0}, 48.0),
    ],
)
def test_a_backtest_pays_what_the_action_pays(terms: dict[str, object], paid: float) -> None:
    days = pd.bdate_range("2024-01-01", periods=40)
    market = pd.DataFrame({"OLD": 50.0, "KEPT": 20.0}, days)
    market.loc[days[20] :, "OLD"] = np.nan
    action = CorporateAction("OLD", days[20].date(), **terms)  # type: ignore[arg-type]
    ends = {"OLD": final_return(action, 50.0, prices={"NEW": 160.0})}
    chosen = BacktestSettings(
        min_history=5, gap_days=3, delisting_return=ends, costs=CostModel(commission=0.0, impact_bps=0.0)
    )

    def half(history: pd.DataFrame, as_of: pd.Timestamp) -> dict[str, float]:
        return dict.fromkeys(history.columns, 0.5)

    result = OptimizationBacktest(market).backtest_strategy(half, "yearly", settings=chosen)
    start = result.nav.iloc[0]
    assert result.nav.iloc[-1] == pytest.approx(start * (0.5 + 0.5 * paid / 50))


def test_only_an_end_has_a_final_return() -> None:
    with pytest.raises(PolicyError, match="merger and delisting do"):
        final_return(CorporateAction("OLD", EX, "split", 2.0), 10)
