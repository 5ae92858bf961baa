"""A desk with one small book on five invented symbols, whose prices lie in an inbox folder."""

from datetime import date
from pathlib import Path

import numpy as np

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE")
FILES = {
    "pipeline.yaml": "checks: {coverage: 0.8}\nbacktest: {years: 1}\n",
    "funds.yaml": 'as_of: "2024-01"\ndefault_spread_bps: 50\nfunds: {}\n',
    "sources.yaml": "sources:\n  - {name: inbox, kind: folder, path: ../inbox, basis: as_traded}\n",
    "portfolios/book.yaml": """
id: 11111111-1111-1111-1111-111111111111
name: book
mode: live
universe: [AAA, BBB, CCC, DDD, EEE]
policy: {max_single_position_pct: 40, risk_free_rate: 0.02}
views:
  - {assets: [AAA], type: absolute, expected_return_pct: 14, confidence: 0.5}
holdings:
  - {as_of: 2022-12-01, cash: 25000, positions: {AAA: 500, BBB: 300}}
""",
    "portfolios/paper.yaml": """
id: 22222222-2222-2222-2222-222222222222
name: paper
mode: paper
universe: [AAA, BBB, CCC, DDD, EEE]
policy: {method: min_volatility, max_single_position_pct: 40, risk_free_rate: 0.02}
holdings:
  - {as_of: 2022-12-01, cash: 100000}
""",
}


def make_desk(folder: Path) -> list[date]:
    """Configuration and an inbox of 300 sessions; gives the sessions."""
    for name, text in FILES.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    days = sessions()
    (folder / "inbox").mkdir()
    (folder / "inbox" / "history.csv").write_text(price_file(days), encoding="utf-8")
    return days


def sessions() -> list[date]:
    """300 sessions of New York that end on 2024-02-29."""
    days = np.arange("2022-10-01", "2024-03-01", dtype="datetime64[D]")
    holidays = [
        "2022-11-24", "2022-12-26", "2023-01-02", "2023-01-16", "2023-02-20", "2023-04-07", "2023-05-29", "2023-06-19",
        "2023-07-04", "2023-09-04", "2023-11-23", "2023-12-25", "2024-01-01", "2024-01-15", "2024-02-19",
    ]  # fmt: skip
    open_ = days[np.is_busday(days, holidays=holidays)]
    return list(open_[-300:].astype(object))


def price_file(days: list[date], symbols: tuple[str, ...] = SYMBOLS, seed: int = 1) -> str:
    """A CSV of invented closes."""
    rng = np.random.default_rng(seed)
    # Without it a shrunk covariance is the identity, weights equal.
    market = rng.normal(3e-4, 0.008, (len(days), 1))
    own = rng.normal(0, 0.004, (len(days), len(symbols))) * np.arange(1, len(symbols) + 1)
    closes = 100 * np.exp(np.cumsum(market * np.linspace(0.6, 1.4, len(symbols)) + own, axis=0))
    lines = [
        f"{symbol},{day},{closes[row, column]:.4f}"
        for row, day in enumerate(days)
        for column, symbol in enumerate(symbols)
    ]
    return "symbol,date,close\n" + "\n".join(lines) + "\n"
