"""The characteristics model: a fold over sessions, from a panel to exposures, factor returns and risk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError
from optimizer.factors.covariance import (
    decay_weights,
    effective_periods,
    eigenfactor_adjusted,
    factor_covariance,
)
from optimizer.factors.descriptors import exposures_on, sector_constraint, universe_on
from optimizer.factors.factor_model import FactorModel
from optimizer.factors.panel import MONTH, YEAR, FactorPanel, Mask, Plan, check_plan, plan_of, trimmed
from optimizer.factors.regression import constrained_wls
from optimizer.factors.specific import ROUNDING, Moments, specific_deviation
from optimizer.factors.windows import Windows, spread
from optimizer.typing import Array


@typed
@dataclass(frozen=True)
class FactorSettings:
    """Half-lives and lags in sessions; the defaults are those of USE4's short-horizon model (USE4S).

    simulations, eigenfactor_scale, seed  of the eigenfactor adjustment; 0 simulations = none
    shrinkage          of specific risk to the decile of size
    regime_half_life   of the volatility regime; None = no adjustment
    Raises PolicyError for a half-life that is not above 0, or counts below 0.

    >>> FactorSettings(regime_half_life=None).volatility_half_life
    84.0
    """

    volatility_half_life: float = 84.0
    correlation_half_life: float = 504.0
    specific_half_life: float = 84.0
    regime_half_life: float | None = 42.0
    volatility_lags: int = 5
    correlation_lags: int = 2
    specific_lags: int = 5
    simulations: int = 100
    eigenfactor_scale: float = 1.4
    shrinkage: float = 0.1
    seed: int = 0
    periods_per_year: float = 252.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least_open = name.endswith(("half_life", "per_year"))
            if value is not None and not (isfinite(value) and (value > 0 if least_open else value >= 0)):
                raise PolicyError(f"{name} is {value}; it must be {'above' if least_open else 'at least'} 0")


@dataclass(frozen=True, eq=False)
class Session:
    """What one session told: (K,) factor returns and (n,) specific returns, NaN without a return.

    r_squared  weighted share of the returns' squares that the factors explain, in the estimation universe
    factor_bias, specific_bias  mean squared return in forecast deviations, 1 where forecasts are good; NaN early
    names      that carried the regression
    """

    date: object
    factor_returns: Array
    specific_returns: Array
    r_squared: float
    factor_bias: float
    specific_bias: float
    names: int


@dataclass(frozen=True, eq=False)
class FactorFit:
    """A fitted model, which the next session updates.

    sessions   those regressed, in order;  exposures  (n, K) at the last close, for the next session
    universe, weights, constraint  the estimation universe at that close, its weights, and the sectors' shares (K,)
    windows    sums that descriptors are made of;  moments  of the specific returns
    variances  (K,) decayed sums of squared factor returns;  counts  (K,) of the sessions that told them
    """

    symbols: tuple[str, ...]
    plan: Plan
    settings: FactorSettings
    last: object
    sessions: tuple[Session, ...]
    exposures: Array
    universe: Mask
    weights: Array
    constraint: Array
    windows: Windows
    moments: Moments
    variances: Array
    counts: Array

    @cached_property
    def factor_returns(self) -> Array:
        """(R, K) of the sessions regressed."""
        return np.array([session.factor_returns for session in self.sessions])

    @cached_property
    def model(self) -> FactorModel:
        """Exposures, factor covariance and specific variances for the next session, per year."""
        own = self.settings
        returns = self.factor_returns
        covariance = factor_covariance(
            returns,
            own.volatility_half_life,
            own.volatility_lags,
            own.correlation_half_life,
            own.correlation_lags,
        )
        deviation = specific_deviation(
            self.moments, self.exposures, self.weights, self.universe, self.constraint, own.shrinkage
        )
        covariance = eigenfactor_adjusted(
            covariance, effective_periods(len(returns), own.correlation_half_life),
            np.random.default_rng(own.seed), own.simulations, own.eigenfactor_scale,
        )  # fmt: skip
        factor_regime, specific_regime = self.regimes
        return FactorModel(
            self.symbols, self.plan.factors, self.plan.groups, self.exposures,
            covariance * factor_regime * own.periods_per_year,
            deviation**2 * specific_regime * own.periods_per_year,
        )  # fmt: skip

    @property
    def regimes(self) -> tuple[float, float]:
        """By how much variances of factors and names are multiplied for the volatility of late (USE4, 3.3 and 5.3)."""
        half_life = self.settings.regime_half_life
        if half_life is None:
            return 1.0, 1.0
        return (
            _regime([session.factor_bias for session in self.sessions], half_life),
            _regime([session.specific_bias for session in self.sessions], half_life),
        )

    @property
    def quality(self) -> dict[str, float]:
        """What tells how good the fit is, over the last YEAR of sessions; NaN where that is too short to say.

        r_squared       mean share of the cross-section that factors explain
        factor_bias, specific_bias  root mean squared return in forecast deviations, before the regime; 1 is right
        factor_regime, specific_regime  multipliers of the variances;  names, sessions  counts
        """
        recent = self.sessions[-YEAR:]
        factor_regime, specific_regime = self.regimes
        return {
            "r_squared": float(np.mean([session.r_squared for session in recent])),
            "factor_bias": _root_mean([session.factor_bias for session in recent]),
            "specific_bias": _root_mean([session.specific_bias for session in recent]),
            "factor_regime": factor_regime,
            "specific_regime": specific_regime,
            "names": float(self.universe.sum()),
            "sessions": float(len(self.sessions)),
        }

    def updated(self, panel: FactorPanel, watch: "Watch | None" = None) -> "FactorFit":
        """With the sessions of the panel after `last`; equal to a fit of all sessions within rounding.

        panel  YEAR + 1 sessions up to `last`, or all from the first, then the new ones, of the fit's symbols and of any
               that join, of which nothing is known up to `last`; who left stays, without returns. Who has another name
               is called so first: `replace(fit, symbols=...)`
        watch  as in `fit_factors`
        The factors stay those of the fit, whatever a longer history would allow.
        Raises DataError for names that are missing or known before, other sectors or data, and too little history.
        """
        if self.last not in panel.dates:
            raise DataError(f"an update needs the sessions up to {self.last}, on which the fit ends")
        before = list(panel.dates).index(self.last)
        if before < min(YEAR, self.windows.seen - 1):
            raise DataError(
                f"an update needs {YEAR + 1} sessions up to {self.last}; the panel has {before + 1}"
            )
        check_plan(self.plan, panel)
        usable = trimmed(panel, self.plan)
        start = self if panel.symbols == self.symbols else _joined(self, usable, before)
        return _folded(start, usable, range(before + 1, len(panel.dates)), watch)


Watch = Callable[[FactorFit, Session], None]


@typed
def fit_factors(
    panel: FactorPanel, settings: FactorSettings = FactorSettings(), watch: Watch | None = None
) -> FactorFit:
    """The characteristics model of a panel, with the factors that its data allow.

    watch  is told of each session: the fit before it, with the exposures at the close before, and its regression

    Each session's returns are regressed on the exposures at the close before, by the root of capitalisation, with
    the sectors' returns adding up to 0 by capitalisation. Styles join as far as there are two names a factor.
    Raises DataError where not even a market factor can be estimated.
    Source: Menchero, Orr & Wang (2011), The Barra US Equity Model (USE4), Methodology Notes, MSCI; Grinold & Kahn
    (2000), Active Portfolio Management; Paleologo (2021), Advanced Portfolio Management.

    >>> fit_factors(FactorPanel(symbols, tuple(range(300)), moves)).model.factors
    ('market',)
    """
    plan = plan_of(panel)
    usable = trimmed(panel, plan)
    n, k = len(panel.symbols), len(plan.factors)
    blank = FactorFit(
        panel.symbols, plan, settings, None, (), np.zeros((n, k)), np.zeros(n, bool), np.zeros(n), np.zeros(k),
        Windows.empty(n), Moments.empty(n, settings.specific_lags, settings.specific_half_life), np.zeros(k),
        np.zeros(k),
    )  # fmt: skip
    fitted = _folded(blank, usable, range(len(panel.dates)), watch)
    if not fitted.sessions:
        raise DataError(
            "no session has a name with a return, a capitalisation and a sector; nothing can be fitted"
        )
    return fitted


def _joined(fitted: FactorFit, panel: FactorPanel, last: int) -> FactorFit:
    """The fit over the panel's names, with nothing on those that join, as a fit of all sessions has it by then."""
    own = {symbol: place for place, symbol in enumerate(fitted.symbols)}
    place = np.array([own.get(symbol, -1) for symbol in panel.symbols])
    if lost := sorted(own.keys() - set(panel.symbols)):
        raise DataError(
            f"the panel lacks {', '.join(lost)}; keep who left, without returns, or fit the model anew"
        )
    known = panel.present[: last + 1]
    known = known if panel.traded is None else known | (panel.traded[: last + 1] > 0)
    if seen := [panel.symbols[i] for i in np.flatnonzero((place < 0) & known.any(axis=0))]:
        raise DataError(
            f"{', '.join(seen)} has returns or volumes up to {fitted.last} that the fit has not seen; fit it anew"
        )
    sessions = tuple(
        replace(one, specific_returns=spread(one.specific_returns, place, np.nan)) for one in fitted.sessions
    )
    wider = replace(
        fitted, symbols=panel.symbols, sessions=sessions, windows=fitted.windows.over(place),
        moments=fitted.moments.over(place), exposures=spread(fitted.exposures.T, place).T,
        universe=spread(fitted.universe, place) > 0, weights=spread(fitted.weights, place),
    )  # fmt: skip
    return _at_close(wider, panel, last)


def _folded(start: FactorFit, panel: FactorPanel, days: Sequence[int], watch: Watch | None) -> FactorFit:
    fitted, sessions = start, list(start.sessions)
    for day in days:
        if fitted.windows.seen >= start.plan.warm_up:
            before = fitted
            fitted, session = _advanced(before, panel, day)
            sessions += [session] if session else []
            if watch and session:
                watch(before, session)
        fitted = _at_close(replace(fitted, windows=fitted.windows.moved(panel, day)), panel, day)
    return replace(fitted, sessions=tuple(sessions))


def _at_close(fitted: FactorFit, panel: FactorPanel, day: int) -> FactorFit:
    """The fit with exposures and universe as they are at a close; without them while the history is too short."""
    if fitted.windows.seen < fitted.plan.warm_up:
        return replace(fitted, last=panel.dates[day])
    universe = universe_on(panel, fitted.windows, day)
    weights = panel.weights[day]
    exposures = exposures_on(panel, fitted.windows, fitted.plan, day, universe)
    return replace(
        fitted, last=panel.dates[day], exposures=exposures, universe=universe, weights=weights,
        constraint=sector_constraint(fitted.plan, exposures, weights * universe),
    )  # fmt: skip


def _advanced(fitted: FactorFit, panel: FactorPanel, day: int) -> tuple[FactorFit, Session | None]:
    """The fit with one session's regression; without a regression where no name has a return.

    A style that the session's names do not bear has no return in it; what it moved is specific.
    """
    returns, present = panel.returns[day], panel.present[day]
    on = fitted.universe & present
    if not on.any():
        return fitted, None
    borne = fitted.plan.borne(int(on.sum()))
    design, target, weights = fitted.exposures[on] * borne, returns[on], fitted.weights[on]
    root = np.sqrt(weights)
    constraint = sector_constraint(fitted.plan, design, weights)
    found = constrained_wls(design, target, root, constraint)
    told = np.abs(found) > ROUNDING  # neither what the names do not bear, nor a sector without a name
    residuals = returns - fitted.exposures @ found
    session = Session(
        panel.dates[day], found, residuals,
        1.0 - _ratio(root @ residuals[on] ** 2, root @ target**2),
        _factor_bias(fitted, found, told),
        _specific_bias(fitted.moments, residuals, on, fitted.weights),
        int(on.sum()),
    )  # fmt: skip
    decay = 0.5 ** (1.0 / fitted.settings.volatility_half_life)
    moved = replace(
        fitted, moments=fitted.moments.advanced(residuals), counts=fitted.counts + told,
        variances=np.where(told, fitted.variances * decay + found**2, fitted.variances),
    )  # fmt: skip
    return moved, session


def _factor_bias(fitted: FactorFit, found: Array, told: Mask) -> float:
    decay = 0.5 ** (1.0 / fitted.settings.volatility_half_life)
    forecast = fitted.variances * (1.0 - decay) / (1.0 - decay ** np.maximum(fitted.counts, 1.0))
    live = told & (fitted.counts >= MONTH) & (forecast > 0)
    return float((found[live] ** 2 / forecast[live]).mean()) if live.any() else float("nan")


def _specific_bias(moments: Moments, residuals: Array, on: Mask, weights: Array) -> float:
    forecast = moments.daily
    live = on & (moments.moved >= MONTH) & (forecast > 0)
    weight = weights[live]
    return (
        float(weight @ (residuals[live] ** 2 / forecast[live]) / weight.sum()) if live.any() else float("nan")
    )


def _root_mean(biases: list[float]) -> float:
    told = [bias for bias in biases if np.isfinite(bias)]
    return float(np.sqrt(np.mean(told))) if told else float("nan")


def _regime(biases: list[float], half_life: float) -> float:
    told = np.array([bias for bias in biases if np.isfinite(bias)])
    return float(decay_weights(len(told), half_life) @ told) if told.size else 1.0


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0
