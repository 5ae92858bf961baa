"""Judges covariances by the returns that followed: `python -m benchmarks.factors.quality DATA`.

DATA is a folder with `scale/stocks504_daily.parquet`, `market/stocks100_daily.parquet` (symbol, date, adj_close, close,
volume) and `reference/sectors_2021.csv`. Writes the table between the marks of docs/methods/factor-model.md.

Every 21 sessions each method sees the returns up to then and forecasts the volatility of three groups of portfolios
over the 21 sessions that follow: random ones of 50 names, ones tilted by a factor (the highest fifth of the names
against the lowest), and the least volatile long-only portfolio by the method's own covariance.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from optimizer import (
    Estimates,
    FactorPanel,
    Policy,
    Sample,
    Universe,
    fit_factors,
    ledoit_wolf,
    regime_ewma,
    sample_covariance,
    solve,
)
from optimizer.beliefs.estimators.spectral import statistical_factors
from optimizer.factors.fit import FactorFit
from optimizer.factors.panel import YEAR, sector_codes
from optimizer.factors.quality import bias_statistic, q_statistic, qlike, rolling_deviation
from optimizer.numerics.matrices import LowRank, Matrix
from optimizer.typing import Array

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "factor-model.md"
START, END = "<!-- written by benchmarks/factors/quality.py -->\n", "<!-- end -->\n"
STEP, WINDOW, FIRST, RANDOM, HELD = 21, 504, 756, 100, 50
DEFECT = 0.75  # a move beyond it is a vendor's defect in these files more often than not
METHODS: Mapping[str, Callable[[Sample], Array]] = {
    "sample, 504 days": sample_covariance,
    "Ledoit-Wolf, 504 days": ledoit_wolf,
    "statistical factors, 504 days": statistical_factors,
    "regime_ewma, 504 days": regime_ewma,
}
OURS = "factor model"
GROUPS = ("random", "factor-tilted", "least volatile")


@dataclass(frozen=True, eq=False)
class Judged:
    """Daily returns and forecast deviations of a group's portfolios by one method, (T, p) each."""

    returns: list[Array]
    forecasts: list[Array]

    def add(self, returns: Array, deviations: Array) -> None:
        """The sessions of one step: (STEP, p) returns, (p,) daily deviations."""
        self.returns.append(returns)
        self.forecasts.append(np.broadcast_to(deviations, returns.shape))


def panel_of(prices: pd.DataFrame, sectors: Mapping[str, str]) -> FactorPanel:
    """Names that are there throughout without a defect; a year's mean value traded stands for capitalisation."""
    wide = prices.pivot(index="date", columns="symbol", values="adj_close").sort_index()
    returns = wide.pct_change(fill_method=None).iloc[1:]
    whole = returns.notna().all() & (returns.abs().max() < DEFECT)
    names = [str(symbol) for symbol in returns.columns[whole]]
    value = (prices["close"] * prices["volume"]).groupby([prices["date"], prices["symbol"]]).first().unstack()
    traded = value.reindex(index=returns.index, columns=names)
    size = traded.rolling(YEAR, min_periods=MIN_PERIODS).mean()
    sector_names, codes = sector_codes([sectors.get(name, "") for name in names])
    return FactorPanel(
        tuple(names), tuple(returns.index), returns[names].to_numpy(float), size.to_numpy(float),
        traded.to_numpy(float), sector_names, codes,
    )  # fmt: skip


MIN_PERIODS = 63


def least_volatile(symbols: tuple[str, ...], covariance: Matrix) -> Array:
    """(n,) long-only weights."""
    policy = Policy(method="min_volatility")
    return np.asarray(
        solve(Estimates(symbols, None, covariance, trusted=True), policy, Universe(symbols)).weights
    )


def tilted(fit: FactorFit) -> Array:
    """(p, n) the highest fifth of the names by each style against the lowest, equal weights."""
    styles = [i for i, group in enumerate(fit.plan.groups) if group == "style"]
    count = len(fit.symbols) // 5
    books = np.zeros((len(styles), len(fit.symbols)))
    for row, style in zip(books, styles, strict=True):
        order = np.argsort(fit.exposures[:, style], kind="stable")
        row[order[-count:]], row[order[:count]] = 1.0 / count, -1.0 / count
    return books


def judged(panel: FactorPanel, seed: int = 0) -> dict[tuple[str, str], Judged]:
    """(method, group) -> what it forecast and what came of it."""
    rng, n = np.random.default_rng(seed), len(panel.symbols)
    held = min(HELD, n // 2)
    random = np.array([np.bincount(rng.choice(n, held, False), minlength=n) / held for _ in range(RANDOM)])
    found = {(method, group): Judged([], []) for method in (*METHODS, OURS) for group in GROUPS}
    fit = fit_factors(panel.between(0, FIRST))
    for day in range(FIRST, len(panel.dates) - STEP + 1, STEP):
        if day > FIRST:
            fit = fit.updated(panel.between(day - STEP - YEAR - 2, day))
        sample = Sample(panel.returns[day - WINDOW : day])
        covariances: dict[str, Matrix] = {name: method(sample) for name, method in METHODS.items()}
        risk = fit.model.covariance
        covariances[OURS] = LowRank(risk.root / np.sqrt(252.0), risk.diagonal / 252.0)
        ahead, tilts = panel.returns[day : day + STEP], tilted(fit)
        for method, covariance in covariances.items():
            books = {
                "random": random, "factor-tilted": tilts,
                "least volatile": least_volatile(panel.symbols, covariance)[None],
            }  # fmt: skip
            for group, book in books.items():
                variance = np.einsum("pn,np->p", book, covariance @ book.T)
                found[method, group].add(ahead @ book.T, np.sqrt(variance.clip(1e-16)))
    return found


def table(title: str, panel: FactorPanel) -> str:
    """The page's rows of one market; the best of each column in bold."""
    found = judged(panel)
    lines = [
        f"**{title}**: {len(panel.symbols)} names, {panel.dates[FIRST]:%Y-%m-%d} to {panel.dates[-1]:%Y-%m-%d}\n",
        "| portfolios | covariance | bias statistic | mean rolling deviation | QLIKE | Q | realised volatility |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for group in GROUPS:
        rows = {}
        for method in (*METHODS, OURS):
            judge = found[method, group]
            returns, forecasts = np.vstack(judge.returns), np.vstack(judge.forecasts)
            rows[method] = (
                float(bias_statistic(returns, forecasts).mean()), rolling_deviation(returns, forecasts, YEAR),
                float(qlike(returns, forecasts).mean()), float(q_statistic(returns, forecasts).mean()),
                float(returns.std(axis=0).mean() * np.sqrt(252)),
            )  # fmt: skip
        best = [
            min(abs(row[0] - 1.0) for row in rows.values()),
            *(min(r[i] for r in rows.values()) for i in (1, 2, 3)),
        ]
        for method, row in rows.items():
            told = [abs(row[0] - 1.0), *row[1:4]]
            cells = [f"{value:.3f}" for value in row[:4]] + [f"{row[4]:.2%}"]
            cells = [f"**{cell}**" if i < 4 and told[i] == best[i] else cell for i, cell in enumerate(cells)]
            lines.append(f"| {group} | {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Both markets, into the page."""
    data = Path(sys.argv[1])
    sectors = pd.read_csv(data / "reference" / "sectors_2021.csv")
    of = dict(zip(sectors["symbol"].astype(str), sectors["gics_sector"].astype(str), strict=True))
    files = {
        "Members of an index, 2011-2020": "scale/stocks504_daily.parquet",
        "Large companies, 2005-2020": "market/stocks100_daily.parquet",
    }
    told = [table(title, panel_of(pd.read_parquet(data / file), of)) for title, file in files.items()]
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + START + "\n" + "\n".join(told) + "\n" + END + after, "utf-8")
    sys.stdout.write("\n".join(told))


if __name__ == "__main__":
    main()
