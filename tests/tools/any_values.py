"""What the arguments of public names are made of: ordinary and degenerate books, estimates, tables and settings."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from any_arguments import DAY, NAMES, Case

import optimizer as o


def decided(case: Case) -> Callable[..., dict[str, float]]:
    weights = case.one({"A": 1.0}, {}, {"A": -0.5}, {"A": 2.0}, {"ZZZ": 1.0}, {"A": float("nan")})
    return lambda history, as_of: dict(weights)


def settings(case: Case) -> Any:
    from optimizer.backtests.panel import BacktestSettings

    return BacktestSettings(min_history=case.one(2, 1, 60), costs=case.one(o.CostModel(0, 0), o.CostModel()))


def setting(case: Case) -> Any:
    from optimizer.problem.setting import Setting

    return Setting(case.estimates(), case.policy(), case.universe(), case.one(None, case.weights()))


def stressed(case: Case) -> Any:
    return o.stress(
        {s: case.one(1000.0, -500.0, 0.0) for s in case.symbols}, case.sensitivities(), case.scenario()
    )


def book(case: Case) -> Any:
    from optimizer.risk.regimes import Book

    values = {s: Decimal(case.one(1000, 0)) for s in case.symbols}
    return Book(values, dict.fromkeys(NAMES, 10.0), Decimal(case.one(100, 0, -50)), {}, case.funds())


def playbook(case: Case) -> Any:
    from optimizer.risk.regimes import Advice

    T = o.ExposureType
    kind = case.one("reduce", "raise")
    return {
        "BOOM": (
            Advice(
                "x", kind, case.one(0.3, 0.0, 1.0), "why", exposures=(T.EQUITY, T.CASH), candidates=("B",)
            ),
        )
    }


def detector(case: Case) -> Any:
    from optimizer.risk.regime_detector import Band, Indicator

    rules = {"RECESSION": {"gdp": Band(None, case.one(0.0, -9.0), 1.0)}}
    return o.Detector(
        (Indicator("gdp", case.one("level", "yearly_change"), 60),), rules, least_points=case.one(5, 30)
    )


def observations(case: Case) -> Any:
    from optimizer.risk.regime_detector import Observation

    days = pd.bdate_range("2022-01-03", periods=max(case.days, 1) * 5, freq="30D")[: case.days]
    return {
        "gdp": [
            Observation(d.date(), d.date(), float(v)) for d, v in zip(days, case.returns(None), strict=False)
        ]
    }


def fund(case: Case) -> o.Fund:
    return o.Fund("F", "f", {o.ExposureType.EQUITY: case.number(1.0, 1.5, -1.0)}, fee=case.one(0.001, None))


def markets_of_hedges(case: Case) -> Any:
    from optimizer.risk.hedges import Market

    return case.one(
        {"SPY": Market(case.one(400.0, 1e9), case.one(0.2, 0.0), 0.02), "TLT": Market(90.0, 0.1, 0.02)}, {}
    )


def instruments(case: Case) -> list[o.Instrument]:
    return [
        o.Instrument("SPY", "option", "BUY", ("equity",), "PUT"),
        o.Instrument("TLT", "etf", "SELL", ("rates",), carry_bps=case.one(0.0, 5000.0)),
    ]


def disposal(case: Case) -> Any:
    return o.sell(case.lots(), case.one(3, 10), case.one(40, 80), DAY)


def array(case: Case) -> Any:
    return case.returns(None)


def a_table(case: Case) -> Any:
    return case.frame(case.returns(case.n))


def quantity(case: Case) -> Any:
    return case.one(5, 0, -3, "2.5", float("nan"), 10**9)


def price(case: Case) -> Any:
    return case.one(100, 0, -1, "7.25", float("nan"), float("inf"))


def constraints(case: Case) -> o.OptimizationConstraints:
    return o.OptimizationConstraints(
        max_weight=case.one(1.0, 0.5, 0.1),
        target_volatility=case.one(None, 0.1, 0.0),
        long_only=case.one(True, False),
    )


def beliefs(case: Case) -> Any:
    from optimizer.proposals.proposal import Beliefs

    mean = case.one(np.full(case.n, 0.05), case.weights())
    return case.one(
        None,
        None,
        Beliefs(
            case.symbols, np.full(case.n, 0.05), mean, 0.04 * np.eye(case.n), case.one((), ("left out",))
        ),
    )


def mandate(case: Case) -> o.Mandate:
    return o.Mandate(
        investable=case.one(None, case.symbols, (), ("ZZZ",)),
        ratings=case.one({}, {"A": 7.0}, {"ZZZ": float("nan")}),
        lots=case.one(1, 100, "0.0001", 0, -1),
    )


def compiled(case: Case) -> o.CompiledPolicy:
    return o.CompiledPolicy(case.estimates(), case.policy(), case.universe(), mandate(case))


def told(case: Case) -> Any:
    from optimizer.trading.rationale import Reasons

    return Reasons(excluded=case.one({}, {"A": "it is closed"}, {"ZZZ": ""}))


def tracking_risk(case: Case) -> Any:
    from optimizer.numerics.tracking_risk import TrackingRisk

    return TrackingRisk.of(0.04 * np.eye(case.one(case.n, case.n + 1)))


def rate(case: Case) -> Any:
    return case.one(case.number(0.02), case.number(0.0), np.full(case.days, 0.02), np.array([0.01]))
