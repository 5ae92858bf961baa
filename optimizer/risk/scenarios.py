"""Scenarios of markets that jump, and how sensitive names are to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from math import isfinite
from typing import Any

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError, one_of, some_of
from optimizer.model.alignment import check_names, named_columns
from optimizer.model.exposure_types import ExposureType
from optimizer.model.exposures import Fund
from optimizer.model.ranges import check_between
from optimizer.numerics.counted import floats
from optimizer.risk.factor_regression import FactorFit, Regression
from optimizer.typing import Array

# Shocks to a yield or spread add (fraction: 0.01 = 100 bps); shocks to a price or to volatility are relative.
YIELDS = ("rates", "inflation", "credit")
PRICES = ("usd", "equity", "commodity", "volatility")
FACTORS = YIELDS + PRICES
MIN_OBSERVATIONS = 60
ABSURD = 1e15  # no book is worth as much
MOST_RETURN = 10.0  # of a factor
STILL = 1e-12  # deviation of a factor's moves: less is none


@typed
@dataclass(frozen=True)
class Scenario:
    """A jump of markets.

    shocks       factor -> size: +0.01 of rates is 100 bps, -0.2 of equity is -20%. A factor left out moves as it
                 usually does with those named (Kupiec 1998); one that is 0 stands still
    probability  of the next year, a fraction; None where nobody has an opinion
    window       first and last date of the real event that is replayed where prices reach back
    factors      in place of shocks: factor of the pack's factor model -> its return, a fraction (-0.05 of momentum)

    >>> Scenario('crash', 'equity crash', {'equity': -0.3}).severity
    'moderate'
    """

    id: str
    name: str
    shocks: Mapping[str, float]
    probability: float | None = None
    severity: str = "moderate"
    window: tuple[date, date] | None = None
    source: str = ""
    factors: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.probability is not None:
            check_between(f"scenario {self.id}: the probability", self.probability, 0.0, 1.0)
        if self.factors:
            self._check_factors()
        elif not self.shocks:
            raise PolicyError(
                f"scenario {self.id} shocks nothing; name one of {', '.join(FACTORS)}, or factors of the factor model"
            )
        for factor, size in self.shocks.items():
            if factor not in FACTORS:
                raise PolicyError(f"scenario {self.id}: {factor!r} is no factor; {one_of(factor, FACTORS)}")
            if (
                not isfinite(size)
                or (factor in PRICES and size <= -1)
                or (factor in YIELDS and abs(size) > 1)
            ):
                raise PolicyError(
                    f"scenario {self.id}: a shock of {size:g} to {factor} cannot be; sizes are fractions, prices "
                    f"fall by less than 1"
                )

    def _check_factors(self) -> None:
        if self.shocks or self.window:
            raise PolicyError(
                f"scenario {self.id} has factors beside shocks or a window; make two scenarios of it"
            )
        for factor, size in self.factors.items():
            if not -1 < size <= MOST_RETURN:
                raise PolicyError(
                    f"scenario {self.id}: a return of {size:g} of factor {factor} cannot be; give a fraction above -1 "
                    f"and up to {MOST_RETURN:g}"
                )


def find_scenario(scenarios: Mapping[str, Scenario], wanted: str) -> Scenario:
    """The scenario of that id; raises PolicyError that lists the valid ones."""
    if wanted not in scenarios:
        raise PolicyError(f"there is no scenario {wanted!r}; there are {', '.join(sorted(scenarios))}")
    return scenarios[wanted]


def log_move(factor: str, size: float) -> float:
    """A shock as it enters the regression: a yield change as it is, a relative change as its logarithm."""
    return size if factor in YIELDS else float(np.log1p(size))


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """Log return of each symbol per unit of each factor's move.

    values       (n, k) in the order of `symbols` and FACTORS
    errors       (n, k) standard errors; NaN where a value is declared, not estimated
    sources      (n,) "history" or "declared"
    observed     (k,) whether the factor has a proxy among the prices
    information  (k, k) inverse Gram matrix of the observed factors' moves, 0 elsewhere
    residuals    (T, n) what the factors do not explain, per day; 0 where declared
    freedom      days less estimated parameters
    covariance   (k, k) of the observed factors' moves, per day, 0 elsewhere
    """

    symbols: tuple[str, ...]
    values: Array
    errors: Array
    sources: tuple[str, ...]
    observed: Array
    information: Array
    residuals: Array
    freedom: int
    covariance: Array

    def of(self, symbols: Sequence[str]) -> "Sensitivities":
        """Those of some symbols, in that order; raises PolicyError naming the missing."""
        if tuple(symbols) == self.symbols:
            return self
        refuse_strangers(symbols, self.symbols)
        places = {symbol: place for place, symbol in enumerate(self.symbols)}
        at = [places[symbol] for symbol in symbols]
        return replace(
            self, symbols=tuple(symbols), values=self.values[at], errors=self.errors[at],
            sources=tuple(self.sources[i] for i in at), residuals=self.residuals[:, at],
        )  # fmt: skip


def refuse_strangers(symbols: Sequence[str], known: Sequence[str]) -> None:
    """Raises PolicyError naming those of some symbols that have no sensitivities."""
    if strangers := sorted({*symbols}.difference(known), key=[*symbols].index):
        raise PolicyError(f"no sensitivities of {', '.join(strangers)}; there are {', '.join(known)}")


def factor_moves(
    proxies: Mapping[str, Mapping[str, float]], returns: Mapping[str, Array], days: int
) -> Array:
    """(T, k) daily moves of FACTORS, from proxies' log returns; NaN columns where a factor has no proxy.

    proxies  factor -> {symbol: coefficient}: the move is the sum of coefficient x log return of the symbol
    returns  symbol -> (T,) daily log returns
    """
    moves = np.full((days, len(FACTORS)), np.nan)
    for column, factor in enumerate(FACTORS):
        if factor in proxies:
            moves[:, column] = sum(weight * returns[symbol] for symbol, weight in proxies[factor].items())
    return moves


def _tables(
    symbols: tuple[str, ...], returns: Array, moves: Array, declared: Any
) -> tuple[Array, Array, Array]:
    """The tables in the order of the symbols and FACTORS; DataError for other names, shapes, and infinite numbers."""
    if hasattr(declared, "columns"):
        check_names("declared's index", declared.index, symbols)
        declared = declared.loc[list(symbols)]
    tables = (
        ("returns", returns, symbols, len(moves)), ("moves", moves, FACTORS, len(moves)),
        ("declared", declared, FACTORS, len(symbols)),
    )  # fmt: skip
    found = []
    for what, given, names, height in tables:
        table = floats(what, named_columns(what, given, names))
        if table.shape != (height, len(names)) or (np.abs(table) > ABSURD).any():
            raise DataError(
                f"{what} has shape {table.shape}; {height} x {len(names)} numbers, fractions or NaN, are needed"
            )
        found.append(table)
    returns, moves, declared = found
    return returns, moves, declared


def _too_little(names: Sequence[str], factors: int, *, proxied: bool) -> str:
    """What symbols lack for their sensitivities to be known; of many the first are named."""
    days = f"fewer than {MIN_OBSERVATIONS + factors} days of prices together with the factor proxies"
    why = days if proxied else f"no factor proxy has {MIN_OBSERVATIONS} moves"
    return (
        f"{some_of(names)}: {why}, and no declared exposures; ingest history, of the proxies of scenarios.yaml too, or "
        f"add the fund to funds.yaml"
    )


@typed
def estimate_sensitivities(
    symbols: Sequence[str], returns: Array, moves: Array, declared: Array
) -> Sensitivities:
    """Least squares of each symbol's daily log returns on all observed factors at once, with an intercept.

    returns   (T, n) daily log returns, NaN where a symbol has none
    moves     (T, k) of FACTORS; NaN columns have no proxy
    declared  (n, k) used for a symbol with fewer than 60 days, and for factors without a proxy; NaN = not known
    Tables with names are put into the order of the symbols and FACTORS. Raises PolicyError naming the symbols that have
    neither history nor declared sensitivities, DataError for tables that do not fit or hold an infinite number.

    >>> sensitivities.sources
    ('declared',)
    """
    returns, moves, declared = _tables(tuple(symbols), returns, moves, declared)
    n, k = len(symbols), len(FACTORS)
    observed = np.asarray(np.isfinite(moves).sum(axis=0) >= MIN_OBSERVATIONS)
    rows = np.asarray(np.isfinite(moves[:, observed]).all(axis=1))
    known = (np.isfinite(returns) & rows[:, None]).sum(axis=0) >= MIN_OBSERVATIONS + k
    if not observed.any():
        known[:] = False
    rows &= np.isfinite(returns[:, known]).all(axis=1)
    lost = [
        s for s, have, told in zip(symbols, known, declared, strict=True) if not have and np.isnan(told).any()
    ]
    if lost or (known.any() and rows.sum() < MIN_OBSERVATIONS + k):
        raise PolicyError(_too_little(lost or symbols, k, proxied=bool(observed.any())))
    if not known.any():
        nothing = np.zeros((k, k))
        return Sensitivities(
            tuple(symbols), np.nan_to_num(declared), np.full((n, k), np.nan), ("declared",) * n, observed, nothing,
            np.zeros((int(rows.sum()), n)), 1, nothing,
        )  # fmt: skip
    still = moves[rows].std(axis=0) <= STILL
    if (observed & still).any():
        named = ", ".join(factor for factor, idle in zip(FACTORS, observed & still, strict=True) if idle)
        raise DataError(f"the proxy of {named} never moves, so that nothing follows it; make its moves NaN")
    regression, own = Regression(moves[rows], observed), returns[rows].T
    fits = [regression.fit(column) if have else None for column, have in zip(own, known, strict=True)]
    return gathered(tuple(symbols), regression, fits, declared)


def gathered(
    symbols: tuple[str, ...], regression: Regression, fits: Sequence[FactorFit | None], declared: Array
) -> Sensitivities:
    """Of some symbols: by their fits, and by what is declared (n, k) of those without and where none is observed."""
    nothing, height = np.full(len(FACTORS), np.nan), len(regression.moves)
    shape = len(symbols), len(FACTORS)
    values = np.array([nothing if fit is None else fit.values for fit in fits]).reshape(shape)
    return Sensitivities(
        symbols,
        np.where(np.isnan(values), np.nan_to_num(declared), values),
        np.array([nothing if fit is None else fit.errors for fit in fits]).reshape(shape),
        tuple("declared" if fit is None else "history" for fit in fits),
        regression.observed,
        regression.information,
        np.array([np.zeros(height) if fit is None else fit.residuals for fit in fits]).reshape(-1, height).T,
        regression.freedom,
        regression.covariance,
    )


Loads = Mapping[ExposureType, Mapping[str, float]]


def declared_sensitivities(fund: Fund, loads: Loads) -> Array:
    """(k,) of a fund, from what its exposures usually do; NaN where one of them has no loads.

    loads  exposure type -> factor -> log return per unit of the factor; a type takes its nearest ancestor's
    """
    total = np.zeros(len(FACTORS))
    for kind, amount in fund.exposures.items():
        found = next((loads[above] for above in (kind, *kind.parents) if above in loads), None)
        if found is None:
            return np.full(len(FACTORS), np.nan)
        total += amount * np.array([found.get(factor, 0.0) for factor in FACTORS])
    return total


def applied_moves(scenario: Scenario, sensitivities: Sensitivities) -> Array:
    """(k,) log moves of FACTORS: those named, and what the others usually do with them."""
    named = np.array([factor in scenario.shocks for factor in FACTORS])
    moves = np.array([log_move(factor, scenario.shocks.get(factor, 0.0)) for factor in FACTORS])
    given, others = named & sensitivities.observed, ~named & sensitivities.observed
    if given.any() and others.any():
        cov = sensitivities.covariance
        usual = np.linalg.lstsq(cov[np.ix_(given, given)], moves[given], rcond=None)[0]
        moves[others] = cov[np.ix_(others, given)] @ usual
    return moves
