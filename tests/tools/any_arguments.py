"""One draw of arguments for the library: numbers, tables and objects, ordinary or degenerate."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

import optimizer as o
from optimizer.problem.methods import METHODS

NAMES = ("A", "B", "C", "D")
DAY = date(2024, 3, 1)
ODD = (float("nan"), float("inf"), -1.0, 0.0, 1e300)
METHOD_NAMES = sorted(METHODS)


@dataclass
class Case:
    """One draw: n names, T periods, and how the numbers are spoilt."""

    data: st.DataObject
    n: int = 0
    days: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def __post_init__(self) -> None:
        self.n = self.data.draw(st.sampled_from([1, 2, 2, 3, 4]), "names")
        self.days = self.data.draw(st.sampled_from([0, 1, 2, 3, 12, 40, 40, 70]), "periods")
        self.rng = np.random.default_rng(self.data.draw(st.integers(0, 10_000), "seed"))

    def one(self, *values: Any) -> Any:
        """One of the values, the first the most often."""
        return self.data.draw(st.sampled_from([values[0], values[0], *values]))

    def number(self, *good: float) -> float:
        """A good number mostly, else an odd one."""
        return float(self.one(*good, *good, *ODD))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names."""
        return NAMES[: self.n]

    @property
    def dates(self) -> pd.DatetimeIndex:
        """A period each."""
        return pd.bdate_range("2023-01-02", periods=self.days)

    def returns(self, columns: int | None) -> Any:
        """(T,) or (T, n) of some kind, the ordinary the most often."""
        shape = (self.days,) if columns is None else (self.days, columns)
        kind = self.one(
            "ordinary", "ordinary", "flat", "constant", "twins", "hedge", "idle name", "-100%", "below", "nan",
            "all nan", "inf", "huge", "tiny", "longer", "empty",
        )  # fmt: skip
        r = 0.01 * self.rng.standard_normal(shape)
        if kind == "empty":
            return r[:0]
        if kind == "longer":
            return np.concatenate([r, r])
        if kind in ("flat", "constant"):
            return np.full(shape, 0.0 if kind == "flat" else 0.0003)
        if kind in ("twins", "hedge", "idle name") and r.ndim == 2 and columns and columns > 1:
            r[:, 1] = {"twins": r[:, 0], "hedge": -r[:, 0], "idle name": 0.0 * r[:, 0]}[kind]
        if kind == "all nan":
            return np.full(shape, np.nan)
        if kind in ("huge", "tiny"):
            return r * (1e160 if kind == "huge" else 1e-170)
        spoilt = {"-100%": -1.0, "below": -1.5, "nan": np.nan, "inf": np.inf}
        if kind in spoilt and r.size:
            r.flat[self.rng.integers(r.size)] = spoilt[kind]
        return r

    def prices(self, columns: int | None) -> Any:
        """(T,) or (T, n) from such returns."""
        r = self.returns(columns)
        with np.errstate(all="ignore"):
            return 100 * np.cumprod(1 + r, axis=0)

    def frame(self, values: Any) -> pd.DataFrame:
        """A table by date and symbol."""
        names: Any = list(NAMES[: values.shape[1]])
        kind = self.one("plain", "plain", "plain", "two levels", "numbers", "a gap", "twice")
        if kind == "two levels":
            names = pd.MultiIndex.from_product([["close"], names])
        if kind in ("numbers", "a gap", "twice"):
            names = {
                "numbers": [*range(len(names))],
                "a gap": [None, *names[1:]],
                "twice": names[:1] * len(names),
            }[kind]
        return self._kept(pd.DataFrame(values, self.labels(len(values)), names))

    def series(self, values: Any) -> pd.Series:
        """By date."""
        return self._kept(pd.Series(values, self.labels(len(values)), dtype=float))

    def labels(self, count: int) -> pd.Index:
        """Dates mostly, else what a stranger may have for them."""
        days = pd.bdate_range("2023-01-02", periods=count)
        kind = self.one(
            "days", "days", "days", "days", "zone", "months", "counted", "text", "twice", "descending", "a gap",
            "dates", "two levels",
        )  # fmt: skip
        odd: dict[str, Callable[[], pd.Index]] = {
            "zone": lambda: days.tz_localize("America/New_York"),
            "months": lambda: pd.period_range("1990-01", periods=count, freq="M"),
            "counted": lambda: pd.RangeIndex(count),
            "text": lambda: pd.Index(days.strftime("%Y-%m-%d")),
            "twice": lambda: days.where(np.arange(count) != 1, days[:1].append(days)[:count]),
            "descending": lambda: days[::-1],
            "a gap": lambda: days.where(np.arange(count) != 1),
            "dates": lambda: pd.Index([day.date() for day in days], dtype=object),
            "two levels": lambda: pd.MultiIndex.from_arrays([["close"] * count, days]),
        }
        return odd[kind]() if kind in odd else days

    def _kept(self, table: Any) -> Any:
        """A table or Series in some kind of number."""
        kind = self.one("float64", "float64", "float64", "float32", "Float64", "object", "Decimal", "str")
        if kind == "Decimal":
            told = table.astype(object)
            return told.map(lambda value: Decimal(repr(value)))
        return table.astype(kind)

    def covariance(self) -> Any:
        """(n, n) per year of some kind."""
        kind = self.one(
            "ordinary",
            "ordinary",
            "idle name",
            "twins",
            "indefinite",
            "asymmetric",
            "nan",
            "zero",
            "shape",
            "percent",
        )
        root = 0.2 * self.rng.standard_normal((self.n + 2, self.n))
        if kind == "idle name":
            root[:, 0] = 0.0
        if kind == "twins" and self.n > 1:
            root[:, 1] = root[:, 0]
        s = root.T @ root
        if kind == "indefinite":
            s -= 0.5 * np.eye(self.n)
        if kind == "asymmetric" and self.n > 1:
            s[0, 1] += 0.3
        if kind == "nan":
            s[0, 0] = np.nan
        if kind == "shape":
            return s[:-1]
        return {"zero": 0.0, "percent": 1e4}.get(kind, 1.0) * s

    def weights(self) -> Any:
        """(n,) of some kind."""
        kind = self.one("ordinary", "ordinary", "zero", "short", "nan", "shape", "huge")
        w = self.rng.dirichlet(np.ones(self.n))
        if kind == "nan":
            w[0] = np.nan
        if kind == "short":
            w = 2 * w - 1
        if kind == "shape":
            return np.append(w, 0.0)
        return w * {"zero": 0.0, "huge": 1e200}.get(kind, 1.0)

    def by_name(self, make: Callable[[], Any]) -> dict[str, Any]:
        """symbol -> a value of each, one name too many at times, or none."""
        return {name: make() for name in self.one(self.symbols, self.symbols, (), (*self.symbols, "ZZZ"))}

    def estimates(self) -> o.Estimates:
        """Sound ones, of ordinary and degenerate returns."""
        kind = self.one(
            "ordinary", "idle name", "twins", "hedge", "one day", "nothing", "falling", "total loss"
        )
        rows = {"one day": 1, "nothing": 40}.get(kind, 40)
        r = 0.01 * self.rng.standard_normal((rows, self.n))
        if kind == "falling":
            r = -np.abs(r)
        if kind == "total loss":
            r[0, 0] = -1.0
        if kind == "idle name":
            r[:, 0] = 0.0
        if kind in ("twins", "hedge") and self.n > 1:
            r[:, 1] = r[:, 0] if kind == "twins" else -r[:, 0]
        s = 252 * np.atleast_2d(np.cov(r.T, ddof=0)) if rows > 1 else 0.04 * np.eye(self.n)
        if not np.trace(s):
            s = 0.04 * np.eye(self.n)
        mean = self.one(252 * r.mean(axis=0).clip(-0.01, 0.01), None)
        return o.Estimates(
            self.symbols, mean, (s + s.T) / 2, None if kind == "nothing" else r, observations=rows
        )

    def funds(self) -> o.FundExposureMap:
        """What the names hold."""
        T = o.ExposureType
        legs = (
            {T.US_LARGE_EQUITY: 1.0},
            {T.BONDS: 1.0},
            {T.EQUITY: 1.0, T.GOLD: -0.5},
            {T.US_TREASURY_LONG: 2.0},
        )
        listed = [o.Fund(s, s, legs[i], fee=0.001) for i, s in enumerate(self.one(NAMES, NAMES[:2]))]
        return o.FundExposureMap(listed, unmapped=self.one("error", "unknown"))

    def universe(self) -> o.Universe:
        """Of the names."""
        return o.Universe(
            self.symbols, sectors=self.one(dict.fromkeys(NAMES, "x"), {}), funds=self.one(None, self.funds()),
            benchmark=self.one(dict.fromkeys(self.symbols, 1 / self.n), None, {}, {"CASH": 1.0}, {"ZZZ": 1.0}),
            market_caps=self.one(dict.fromkeys(NAMES, 1e9), None, {"ZZZ": 1.0}),
        )  # fmt: skip

    def policy(self) -> o.Policy:
        """A method with a limit at times."""
        T = o.ExposureType
        more: dict[str, Any] = self.one(
            {}, {"max_weight": 0.6}, {"long_only": False, "min_weight": -0.5, "max_gross": 1.5},
            {"max_turnover": 0.2}, {"max_holdings": 1}, {"target_volatility": 0.1, "cash_max": 1.0},
            {"max_tracking_error": 0.05}, {"max_volatility": 0.1}, {"min_return": 0.5}, {"risk_budgets": {"A": 1.0}},
            {"max_exposures": {T.EQUITY: 0.3}}, {"cash_min": -0.5, "cash_max": 1.0}, {"max_sector": 0.4},
            {"max_weight": 0.1}, {"cost_horizon_years": 1.0}, {"beta_limits": (0.9, 1.1)},
            {"on_conflict": "transition", "max_turnover": 0.1, "max_weight": 0.5}, {"max_risk_share": 0.4},
            {"limits": ("risk:A <= 20%",)}, {"limits": ("active:A <= 5%",)}, {"returns": "factor_premia"},
        )  # fmt: skip
        return o.Policy(method=self.one(*METHOD_NAMES), risk_free_rate=self.one(0.02, None), **more)

    def portfolio(self) -> o.Portfolio:
        """Some shares, some cash."""
        held = {
            s: o.Position(s, Decimal(self.one(10, 0, 3)), Decimal(50)) for s in self.one(self.symbols, ())
        }
        return o.Portfolio("book", self.one(1000, 0), {s: p for s, p in held.items() if p.quantity})

    def lots(self) -> list[o.Lot]:
        """Tax lots of A."""
        bought = [date(2022, 1, 3), date(2024, 2, 1)]
        return [
            o.Lot(f"l{i}", "A", Decimal(5), Decimal(60), day) for i, day in enumerate(self.one(bought, []))
        ]

    def view(self) -> o.MarketView:
        """An opinion."""
        return o.MarketView(
            [self.one(*self.symbols, "ZZZ")], "absolute", self.one(0.05, -0.9, 4.0), self.one(0.5, 0.0, 1.0)
        )

    def scenario_view(self) -> o.ScenarioView:
        """An opinion on a distribution."""
        kind = self.one("mean", "volatility", "cvar", "correlation")
        names = self.symbols[:2] if kind == "correlation" else [self.one(*self.symbols, "ZZZ")]
        return o.ScenarioView(
            kind,
            dict.fromkeys(names, 1.0),
            self.one(0.1, 0.01, 0.0),
            sense=self.one("=", ">=", "<="),
            confidence=self.one(1.0, 0.5, 0.0),
        )

    def sensitivities(self) -> Any:
        """Of the names and two hedges, declared."""
        from optimizer.risk.scenarios import FACTORS

        names = (*self.symbols, "SPY", "TLT")
        declared = self.rng.standard_normal((len(names), len(FACTORS)))
        nothing = np.full((0, len(FACTORS)), np.nan)
        return o.estimate_sensitivities(names, np.full((0, len(names)), np.nan), nothing, declared)

    def scenario(self) -> o.Scenario:
        """A jump."""
        return o.Scenario("s", "s", {"equity": self.one(-0.2, 0.0, 3.0), "rates": 0.01})

    def market_data(self) -> pd.DataFrame:
        """Prices by date and symbol."""
        return self.frame(self.prices(self.n))

    def analytics(self) -> o.PortfolioAnalytics:
        """Of some book."""
        return o.PortfolioAnalytics(
            self.portfolio(),
            self.market_data(),
            fund_map=self.one(None, self.funds()),
            risk_free_rate=self.number(0.02),
        )

    def backtest(self) -> o.OptimizationBacktest:
        """On some prices."""
        return o.OptimizationBacktest(self.market_data())
