"""A synthetic desk: made-up prices with known sensitivities, run through the real ingest -> pack -> pipeline path."""

import shutil
from pathlib import Path

import exchange_calendars
import numpy as np
import pandas as pd
from command_line import Desk
from source_tree import ROOT

PACK = "PP_2025-10-26"
PORTFOLIO = "11111111-1111-1111-1111-111111111111"
EMPTY = "22222222-2222-2222-2222-222222222222"
NEWCOMERS = "33333333-3333-3333-3333-333333333333"
FIRST, LAST = "2023-06-01", "2025-10-24"
FACTORS = ("equity", "rates", "credit", "inflation", "usd", "commodity", "volatility")
DAILY = np.array([0.010, 0.0006, 0.0004, 0.0004, 0.004, 0.010, 0.05])
# Daily log return per unit of each factor (rates, credit, inflation: per 1.00 of yield or spread), own noise, price.
TRUE: dict[str, tuple[tuple[float, ...], float, float]] = {
    "SPY": ((1.0, 0, 0, 0, 0, 0, 0), 0.0003, 560.0),
    "QQQ": ((1.2, 0, 0, 0, 0, 0, 0), 0.003, 480.0),
    "VTI": ((1.0, 0, 0, 0, 0, 0, 0), 0.0006, 280.0),
    "SHY": ((0, -1.9, 0, 0, 0, 0, 0), 0.0001, 82.0),
    "IEF": ((0, -7.5, 0, 0, 0, 0, 0), 0.0002, 95.0),
    "TLT": ((0, -16.0, 0, 0, 0, 0, 0), 0.0008, 92.0),
    "TIP": ((0, -7.0, 0, 6.5, 0, 0, 0), 0.0003, 108.0),
    "LQD": ((0, -8.4, -8.4, 0, 0, 0, 0), 0.0004, 109.0),
    "HYG": ((0.1, -3.5, -3.8, 0, 0, 0, 0), 0.001, 79.0),
    "JNK": ((0.1, -3.5, -3.9, 0, 0, 0, 0), 0.001, 95.0),
    "UUP": ((0, 0, 0, 0, 1.0, 0, 0), 0.0003, 28.0),
    "DBC": ((0, 0, 0, 0, 0, 1.0, 0), 0.0006, 23.0),
    "GLD": ((0, -4.0, 0, 3.0, -0.5, 0.2, 0), 0.006, 240.0),
    "VIXY": ((0, 0, 0, 0, 0, 0, 0.45), 0.002, 42.0),
    "XLU": ((0.5, -4.0, 0, 0, 0, 0, 0), 0.005, 76.0),
    "XLP": ((0.5, -1.0, 0, 0, 0, 0, 0), 0.005, 81.0),
    "VNQ": ((0.9, -5.0, 0, 0, 0, 0, 0), 0.006, 90.0),
    "AAPL": ((1.2, -2.0, 0, 0, -0.2, 0, 0), 0.010, 232.5),
    "RY": ((0.8, -0.5, 0, 0, 0, 0, 0), 0.008, 154.0),
    "XIU": ((0.85, -0.5, 0, 0, 0, 0.1, 0), 0.004, 38.0),
    "NEW": ((1.0, 0, 0, 0, 0, 0, 0), 0.010, 50.0),
}
CANADIAN = ("RY", "XIU")
NEW_SINCE = "2025-09-22"

SOURCES = """\
sources:
  - {name: us, kind: folder, path: ../us, basis: as_traded}
  - {name: canada, kind: folder, path: ../canada, basis: as_traded, exchange: XTSE, currency: CAD}
reference_folder: reference
"""
LAST_SPRING = """\
  LAST_SPRING:
    name: A window that the prices reach
    shocks: {equity_pct: -10}
    window: [2025-03-03, 2025-04-30]
"""
PORTFOLIOS = {
    "seed": f"""\
id: {PORTFOLIO}
name: seed
mode: live
base_currency: USD
universe: [AAPL, RY, XIU]
benchmark: equal_weight
policy: {{method: mean_variance, max_single_position_pct: 60, max_turnover_pct: 20}}
holdings:
  - as_of: 2025-10-01
    cash: 500
    positions: {{AAPL: 500, RY: 400, XIU: 2500}}
""",
    "empty": f"""\
id: {EMPTY}
name: empty
mode: live
base_currency: USD
universe: [AAPL, SPY]
holdings:
  - {{as_of: 2025-10-01}}
""",
    "newcomers": f"""\
id: {NEWCOMERS}
name: newcomers
mode: live
base_currency: USD
universe: [AAPL, NEW]
holdings:
  - as_of: 2025-10-01
    positions: {{AAPL: 100, NEW: 100}}
""",
    "opinions": """\
id: 55555555-5555-5555-5555-555555555555
name: opinions
mode: live
base_currency: USD
universe: [GLD, SPY, TLT, XLP]
policy: {method: mean_variance, view_model: entropy_pooling, max_single_position_pct: 60, no_trade_band_pct: 5}
views:
  - {kind: mean, assets: {SPY: 1, TLT: -1}, value_pct: 1, sense: "<="}
  - {kind: volatility, assets: [SPY], value_pct: 22}
  - {kind: correlation, assets: [SPY, TLT], value: 0.3, confidence: 0.8}
holdings:
  - as_of: 2025-10-01
    cash: 1000
    positions: {SPY: 200, TLT: 300, XLP: 300}
""",
    "mixed": """\
id: 44444444-4444-4444-4444-444444444444
name: mixed
mode: live
base_currency: USD
universe: [AAPL, GLD, HYG, JNK, LQD, QQQ, SPY, TLT]
policy: {method: risk_parity, max_turnover_pct: 50}
holdings:
  - as_of: 2025-10-01
    cash: 20000
    positions: {SPY: 300, QQQ: 150, HYG: 600, JNK: 300, TLT: 400, GLD: 60}
""",
}


def build(folder: Path) -> Path:
    """The home of a desk whose pack PP_2025-10-26 is run; its configuration is `folder/config`."""
    write_files(folder)
    done = Desk(folder / "home", folder / "config").packfolio("run", "--as-of", PACK[3:], "--json")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "home"


def write_files(folder: Path) -> None:
    """Prices, reference data and configuration."""
    rng = np.random.default_rng(20251026)
    days = exchange_calendars.get_calendar("XNYS", start=FIRST).sessions_in_range(FIRST, LAST)
    toronto = set(exchange_calendars.get_calendar("XTSE", start=FIRST).sessions_in_range(FIRST, LAST))
    shocks = correlated(rng, len(days))
    for symbol, (betas, noise, last) in TRUE.items():
        moves = shocks @ np.array(betas) + noise * rng.standard_normal(len(days)) + 0.0002
        close = np.round(last * np.exp(np.cumsum(moves) - moves.sum()), 4)
        table = pd.DataFrame({"symbol": symbol, "date": days.strftime("%Y-%m-%d"), "close": close})
        if symbol in CANADIAN:
            table = table[[day in toronto for day in days]]
        if symbol == "NEW":
            table = table[table["date"] >= NEW_SINCE]
        table = table.assign(dividend=0.0, split=1.0)
        place = folder / ("canada" if symbol in CANADIAN else "us") / f"{symbol}.csv"
        place.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(place, index=False, lineterminator="\n")
    write_config(folder / "config", rng, days)


def correlated(rng: np.random.Generator, days: int) -> np.ndarray:
    """(days, 7) daily factor moves: volatility rises and credit widens when equity falls."""
    z = rng.standard_normal((days, len(FACTORS)))
    z[:, 2] = -0.5 * z[:, 0] + 0.87 * z[:, 2]
    z[:, 6] = -0.8 * z[:, 0] + 0.6 * z[:, 6]
    return (z - z.mean(axis=0)) * DAILY


def write_config(config: Path, rng: np.random.Generator, days: pd.DatetimeIndex) -> None:
    """The desk's configuration: the repository's own, with this desk's sources, portfolios and reference data."""
    (config / "portfolios").mkdir(parents=True)
    (config / "reference").mkdir()
    for file in sorted((ROOT / "config").glob("*.yaml")):
        shutil.copy(file, config / file.name)
    (config / "sources.yaml").write_text(SOURCES, "utf-8")
    with (config / "scenarios.yaml").open("a", encoding="utf-8") as file:
        file.write(LAST_SPRING)
    for name, text in PORTFOLIOS.items():
        (config / "portfolios" / f"{name}.yaml").write_text(text, "utf-8")
    stocks = {"AAPL": "Information Technology", "RY": "Financials", "XIU": "Broad", "NEW": "Industrials"}
    lines = [
        f"{s},2023-06-01,{s},{stocks.get(s, '')},{'CAD' if s in CANADIAN else 'USD'},"
        f"{'XTSE' if s in CANADIAN else 'XNYS'},{'stock' if s in stocks else 'fund'},false,"
        for s in sorted(TRUE)
    ]
    heads = "symbol,date,name,sector,currency,exchange,kind,simulated,note"
    write = {
        "securities": [heads, *lines],
        "ratings": ["symbol,date,rating", "AAPL,2025-01-02,9.2", "RY,2025-01-02,8.5", "XIU,2025-01-02,7.0"],
        "risk_free_rates": ["currency,date,rate,note", "USD,2023-06-01,0.02,"],
    }
    rates = 1.38 * np.exp(np.cumsum(0.003 * rng.standard_normal(len(days))))
    write["fx_rates"] = [
        "base,quote,date,rate", *(f"USD,CAD,{day:%Y-%m-%d},{rate:.6f}" for day, rate in zip(days, rates, strict=True))
    ]  # fmt: skip
    write["macro_series"] = macro_series()
    for log, rows in write.items():
        (config / "reference" / f"{log}.csv").write_text("\n".join(rows) + "\n", "utf-8")


def macro_series() -> list[str]:
    """Lines of a late expansion: a flat curve, low unemployment, rising inflation, spreads a little above their mean.

    Monthly values are of the first and known six weeks later; December 2099 is known to nobody yet.
    """
    months = pd.date_range("2014-01-01", "2025-09-01", freq="MS")
    days = pd.date_range("2014-01-03", "2025-10-24", freq="W-FRI")
    cycle = np.sin(np.linspace(0, 6, len(months)))
    prices = 240 * np.exp(np.cumsum(np.where(np.arange(len(months)) < len(months) - 18, 0.0015, 0.004)))
    swing = np.sin(np.arange(len(days)) / 20)
    values = {
        "UNRATE": (months, 5.0 + cycle - np.linspace(0, 1.2, len(months)) * (cycle < 0), 42),
        "CPIAUCSL": (months, prices, 44),
        "T10Y2Y": (days, 1.0 + swing - np.linspace(0, 0.6, len(days)), 1),
        "BAA10Y": (days, 2.0 + 0.3 * np.cos(np.arange(len(days)) / 20), 1),
    }
    lines = ["series,date,known_at,value"]
    for name, (dates, numbers, lag) in values.items():
        known = dates + pd.Timedelta(days=lag)
        lines += [
            f"{name},{d:%Y-%m-%d},{k:%Y-%m-%d},{v:.4f}" for d, k, v in zip(dates, known, numbers, strict=True)
        ]
    return lines
