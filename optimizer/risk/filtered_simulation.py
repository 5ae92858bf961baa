"""Scenarios from the model: past days at today's volatility, and factor shocks that reach every name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.arguments import typed
from optimizer.beliefs.estimators.garch import garch_variances
from optimizer.errors import DataError, PolicyError, check_one_of
from optimizer.factors.factor_model import FactorModel
from optimizer.measures.tails import mean_of_worst
from optimizer.model.alignment import named_holdings
from optimizer.numerics.counted import floats, in_time
from optimizer.typing import Array

EWMA_DECAY = 0.94
LEAST_DAYS = 60
FAR = 40.0  # standard deviations, beyond which a normal has nothing
STILL = 1e-12  # volatility of a period, below which a return does not move: what is left is rounding
ABSURD = 1e6  # no return of a period and no weight is as large


@dataclass(frozen=True)
class TailRisk:
    """What a book may lose in a period, fractions, positive for a loss.

    value_at_risk  exceeded with probability 1 - level;  expected_shortfall  the mean of the losses beyond

    >>> TailRisk(level=0.95, value_at_risk=0.02, expected_shortfall=0.03).expected_shortfall
    0.03
    """

    level: float
    value_at_risk: float
    expected_shortfall: float


def ewma_variances(returns: Array, decay: float = EWMA_DECAY) -> Array:
    """(T + 1,) variances of (T,) returns by exponential weights, h[t+1] = decay h[t] + (1 - decay) r[t]^2.

    The first is the sample's; the last is the forecast for the period after them (RiskMetrics 1996).
    """
    h = np.empty(len(returns) + 1)
    h[0] = float(returns @ returns) / len(returns)
    for t, r in enumerate(returns):
        h[t + 1] = decay * h[t] + (1 - decay) * r * r
    return h


FILTERS: Mapping[str, Callable[[Array], Array]] = {"ewma": ewma_variances, "garch": garch_variances}


@typed
def filtered_scenarios(returns: Array, volatility: str = "ewma") -> Array:
    """(T, n) past returns, each divided by its volatility of that day and multiplied by the forecast of the next.

    returns     (T, n) a row a period, no gaps;  volatility "ewma" or "garch" (1, 1), of each name by itself
    Days stay whole, so that what fell together falls together. The first variances know the whole sample: the scenarios
    are for tomorrow, not for a backtest (`backtest_tail` looks at no later day).
    Raises PolicyError for another filter, DataError for fewer than 60 rows, a gap or a return that never moves.
    Source: Barone-Adesi, Giannopoulos & Vosper (1999), VaR without correlations.

    >>> filtered_scenarios(prices.pct_change().dropna().to_numpy()).shape
    (300, 3)
    """
    check_one_of("filter", volatility, FILTERS)
    checked = in_time("returns", returns)
    if checked.ndim != 2 or len(checked) < LEAST_DAYS or not checked.size or not _sane(checked):
        raise DataError(
            f"returns have shape {checked.shape}; at least {LEAST_DAYS} rows of returns without gaps are needed"
        )
    mean = checked.mean(axis=0)
    shocks = checked - mean
    if not (shocks.std(axis=0) > STILL).all():
        raise DataError("a return never moves, so that it has no volatility to filter by; leave the name out")
    variances = np.array([FILTERS[volatility](column) for column in shocks.T]).T
    return np.asarray(mean + shocks * np.sqrt(variances[-1] / variances[:-1]))


@typed
def tail_risk(scenarios: Array, weights: Array, level: float = 0.99) -> TailRisk:
    """Value at risk and expected shortfall of weights (n,) over scenarios (T, n) of one period, all alike.

    Over a DataFrame weights by name go by its columns, 0 where one is not named.
    The value at risk is the least loss of the worst 1 - level of the days. Raises PolicyError for a level outside
    (0, 1), DataError for tables that do not fit, or have no numbers.

    >>> tail_risk(np.array([[-0.04], [-0.02], [0.0], [0.01]]), np.array([1.0]), level=0.5)
    TailRisk(level=0.5, value_at_risk=0.02, expected_shortfall=0.03)
    """
    return tail_risks(*_by_name(scenarios, weights), (level,))[0]


def _by_name(scenarios: Array, weights: Array) -> tuple[Array, Array]:
    if hasattr(scenarios, "columns"):
        weights = named_holdings("weights", weights, tuple(scenarios.columns))
    return floats("scenarios", scenarios), floats("weights", weights)


def tail_risks(
    scenarios: Array, weights: Array, levels: Sequence[float], *, known: bool = False
) -> tuple[TailRisk, ...]:
    """`tail_risk` at each of some levels: the book's returns are reckoned and put in order once.

    known  whether the scenarios come from `over_horizon`, which refuses what is no return
    """
    for level in levels:
        if not 0.0 < level < 1.0:
            raise PolicyError(f"level is {level}; it must lie between 0 and 1: 0.99 for the worst 1%")
    if scenarios.ndim != 2 or scenarios.shape[1:] != weights.shape or not len(scenarios):
        raise DataError(
            f"scenarios have shape {scenarios.shape} and weights {weights.shape}; they do not fit"
        )
    if not ((known or _sane(scenarios)) and _sane(weights)):
        raise DataError("a scenario or a weight is no number, or beyond a million; correct it")
    days = np.sort(scenarios @ weights)
    return tuple(
        TailRisk(
            level,
            float(-days[max(int(np.ceil((1 - level) * len(days) * (1 - 1e-12))) - 1, 0)]),
            mean_of_worst(days, level),
        )
        for level in levels
    )


@typed
def over_horizon(scenarios: Array, sessions: int) -> Array:
    """(T - sessions + 1, n) compound returns of each run of so many scenarios (T, n) in a row.

    Runs overlap, so that neighbours say much the same: they are many for the middle and few for the tail.
    Raises PolicyError for a horizon that is not from 1 to T sessions, DataError for what is no return.

    >>> over_horizon(np.array([[0.1], [0.0], [-0.5]]), 2).round(3).tolist()
    [[0.1], [-0.5]]
    """
    scenarios = in_time("scenarios", scenarios)
    if not 1 <= sessions <= len(scenarios):
        raise PolicyError(
            f"a horizon of {sessions} sessions needs 1 to {len(scenarios)}, as many as there are scenarios"
        )
    if not _sane(scenarios) or (scenarios < -1).any():
        raise DataError("a scenario is no number, or below -1; correct it")
    if sessions == 1:
        return scenarios
    runs = np.lib.stride_tricks.sliding_window_view(1.0 + scenarios, sessions, axis=0)
    with np.errstate(over="ignore"):
        compound = np.asarray(runs.prod(axis=-1) - 1.0)
    if not _sane(compound):
        raise DataError(
            f"{sessions} scenarios in a row compound beyond a million; correct what they are made of"
        )
    return compound


@typed
def factor_tail(scenarios: Array, exposures: Array, specific: float, level: float = 0.99) -> TailRisk:
    """Tail of a book by scenarios of factors (T, K) through its exposures (K,), and a normal risk of its own names.

    specific  volatility of what the names do by themselves over the period, a fraction
    The distribution is the mean of T normal ones, one about each scenario: it needs no draws, and names without a
    history of their own have a tail. Raises PolicyError for a level, DataError for tables that do not fit or a
    volatility that is negative. Source: Hull & White (1998), Incorporating volatility updating, with normal remainders.

    >>> round(factor_tail(np.zeros((2, 1)), np.ones(1), 0.01, level=0.95).value_at_risk, 6)
    0.016449
    """
    if not 0 <= specific < ABSURD:
        raise DataError(f"the names' own volatility is {specific}; a fraction that is not negative is needed")
    scenarios, exposures = _by_name(scenarios, exposures)
    found = tail_risks(scenarios, exposures, (level,))[0]
    if specific <= STILL:
        return found
    from scipy.special import ndtr

    losses = -(scenarios @ exposures)
    low, high = (float(end) for end in (losses.min() - FAR * specific, losses.max() + FAR * specific))
    while low < (middle := 0.5 * (low + high)) < high:
        beyond = float(ndtr((losses - middle) / specific).mean())
        low, high = (middle, high) if beyond > 1 - level else (low, middle)
    z = (losses - high) / specific
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    shortfall = float((losses * ndtr(z) + specific * density).mean() / ndtr(z).mean())
    return TailRisk(level, high, shortfall)


@typed
def shocked_returns(model: FactorModel, shocks: Mapping[str, float]) -> Array:
    """(n,) expected returns of the names when some factors move so and the others as they usually do with them.

    E[r | f_S = s] = X (f_S = s, f_O = F_OS F_SS^-1 s); what is specific to a name stays at 0.
    shocks  factor -> its return, a fraction. Raises PolicyError for none, an unknown factor, or one that is no number.
    Source: Kupiec (1998), Stress testing in a value at risk framework.

    >>> model = FactorModel(('A', 'B'), ('market', 'size'), ('market', 'style'), np.array([[1.0, 0.5], [1.0, -0.5]]),
    ...                     np.array([[0.04, 0.01], [0.01, 0.02]]), np.full(2, 0.01))
    >>> shocked_returns(model, {'market': -0.2}).round(6).tolist()
    [-0.225, -0.175]
    """
    return np.asarray(model.exposures @ usual_moves(model, shocks))


def usual_moves(model: FactorModel, shocks: Mapping[str, float]) -> Array:
    """(K,) moves of all factors of a model when some move so: the others as they usually do with them.

    Raises PolicyError as `shocked_returns` does.
    """
    unknown = sorted(set(shocks) - set(model.factors))
    if not shocks or unknown or not all(abs(size) < ABSURD for size in shocks.values()):
        raise PolicyError(
            f"shocks are {dict(shocks)}; give finite returns of some of the factors {', '.join(model.factors)}"
        )
    named = np.array([factor in shocks for factor in model.factors])
    given = np.array([shocks[factor] for factor in model.factors if factor in shocks])
    moves = np.empty(len(model.factors))
    moves[named] = given
    own = model.factor_covariance
    usual = np.linalg.lstsq(own[np.ix_(named, named)], given, rcond=None)[0]
    moves[~named] = own[np.ix_(~named, named)] @ usual
    return moves


def _sane(values: Array) -> bool:
    """Whether all are numbers, and none absurd."""
    return bool((np.abs(values) < ABSURD).all())
