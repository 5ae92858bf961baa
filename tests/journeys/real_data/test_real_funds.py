"""The journey of docs/how-to/real-funds.md: real funds, plain and leveraged, from a file to trades and a backtest."""

import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import ROOT, Desk

SHARED = os.environ.get("PACKFOLIO_SHARED_DATA")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.realdata,
    pytest.mark.skipif(not SHARED or not Path(SHARED).is_dir(), reason="PACKFOLIO_SHARED_DATA is not set"),
]
PACK = "PP_2020-12-11"
PLAIN = "SPY, QQQ, IWM, EFA, EEM, IEF, TLT, TIP, LQD, GLD, DBC, VNQ"
LEVERAGED = "SSO, UPRO, QLD, TMF, TYD, UGL"
BOOK = """
id: {id}
name: {name}
mode: live
universe: [{universe}]
benchmark: {{SPY: 60, IEF: 40}}
prior: historical
policy:
  lookback_days: 756
  risk_free_rate: 0.01
  commission_per_trade: 5.00
  market_impact_bps: 5
  min_lot_value: 500
  {limits}
holdings:
  - {{as_of: 2020-11-30, cash: 20000, positions: {{SPY: 1600, IEF: 3200}}}}
"""
BOOKS = (
    ("33333333-3333-4333-8333-333333333333", "plain", PLAIN,
     "{method: min_volatility, min_exposures_pct: {equity: 40}, max_single_position_pct: 30}"),
    ("44444444-4444-4444-8444-444444444444", "stacked", f"{PLAIN}, {LEVERAGED}",
     "{method: risk_parity, max_notional_pct: 150, max_single_position_pct: 25}"),
)  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A home in which the day was run and both policies were replayed."""
    folder = tmp_path_factory.mktemp("funds")
    shutil.copytree(ROOT / "config", folder / "config")
    shutil.rmtree(folder / "config" / "portfolios")
    (folder / "config" / "portfolios").mkdir()
    (folder / "config" / "reference" / "securities.csv").unlink()
    (folder / "config" / "sources.yaml").write_text(
        "sources:\n  - {name: inbox, kind: folder, path: ../inbox, basis: as_traded}\nreference_folder: reference\n"
    )
    for book, name, universe, limits in BOOKS:
        text = BOOK.format(id=book, name=name, universe=universe, limits=limits[1:-1].replace(", m", "\n  m"))
        (folder / "config" / "portfolios" / f"{name}.yaml").write_text(text)
    (folder / "inbox").mkdir()
    prices = pd.read_parquet(Path(str(SHARED)) / "market" / "etf_daily.parquet")
    wanted = f"{PLAIN}, {LEVERAGED}".split(", ")
    prices[prices["symbol"].isin(wanted)].to_parquet(folder / "inbox" / "funds.parquet", index=False)
    made = Desk(folder / "home", folder / "config")
    for arguments in (("run", "--as-of", "2020-12-11"), ("backtest",)):
        done = made.packfolio(*arguments)
        assert done.returncode == 0, done.stderr + done.stdout
    return made


def _listed(desk: Desk) -> dict[str, Any]:
    return {portfolio["name"]: portfolio for portfolio in desk.read("trades", PACK)["portfolios"]}


def test_trades_hold_every_limit_looked_through_the_leveraged_funds(desk: Desk) -> None:
    listed = _listed(desk)
    for portfolio in listed.values():
        assert portfolio["totals"]["constraints_met"]
        assert portfolio["totals"]["gap"] < 1e-6
    found = {name: portfolio["result"] for name, portfolio in listed.items()}
    assert [found[name]["notional"] for name in ("plain", "stacked")] == pytest.approx(
        [1.0, 1.309], abs=0.001
    )
    assert [found[name]["volatility"] for name in ("plain", "stacked")] == pytest.approx(
        [0.0810, 0.0893], abs=1e-4
    )
    assert [float(listed[name]["totals"]["costs"]) for name in ("plain", "stacked")] == pytest.approx(
        [583.47, 839.34], abs=0.5
    )
    assert [float(listed[name]["totals"]["cash_after"]) for name in ("plain", "stacked")] == pytest.approx(
        [8.51, 36.42], abs=0.5
    )


def test_the_backtest_gives_the_figures_of_the_page(desk: Desk) -> None:
    found = desk.read("backtest")["portfolios"]
    told = {
        ("plain", "policy"): (0.0811, 0.0623, 1.12, -0.152),
        ("plain", "equal_weight"): (0.0737, 0.0950, 0.69, -0.214),
        ("stacked", "policy"): (0.0817, 0.0731, 0.98, -0.167),
        ("stacked", "equal_weight"): (0.1201, 0.1253, 0.89, -0.260),
    }
    for (name, strategy), (earned, risk, sharpe, depth) in told.items():
        measures = found[name][strategy]
        assert measures["annual_return"] == pytest.approx(earned, abs=2e-4)
        assert measures["volatility"] == pytest.approx(risk, abs=2e-4)
        assert measures["sharpe"] == pytest.approx(sharpe, abs=0.01)
        assert measures["max_drawdown"] == pytest.approx(depth, abs=1e-3)
        assert measures["sharpe_low"] < measures["sharpe"] < measures["sharpe_high"]
