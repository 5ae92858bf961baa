"""Many histories out of one: combinatorial purged cross-validation, and how likely a choice was overfitted."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import comb
from numbers import Integral

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError
from optimizer.measures import performance as p
from optimizer.model.returns import check_unique
from optimizer.model.sessions import periods_per_year
from optimizer.numerics.counted import in_time
from optimizer.typing import Array

LEAST_TRAINING = 2
ABSURD, MOST_ROWS = 1e6, 10**8
Rows = npt.NDArray[np.intp]
Fit = Callable[[pd.DataFrame], Mapping[str, float] | pd.Series]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to train on, and the test groups with their rows."""

    train: Rows
    tests: tuple[tuple[int, Rows], ...]


@typed
def combinatorial_splits(rows: int, groups: int, tested: int, *, purge: int, embargo: int) -> Iterator[Split]:
    """Every choice of `tested` of `groups` consecutive blocks (Lopez de Prado 2018, chapter 12).

    purge    rows left out of the training on both sides of a test block, whose labels overlap it
    embargo  more rows left out after it
    Raises PolicyError for impossible numbers.

    >>> len(list(combinatorial_splits(60, 6, 2, purge=1, embargo=1)))
    15
    """
    whole = all(isinstance(count, Integral) for count in (rows, groups, tested, purge, embargo))
    if not whole or not 1 <= tested < groups <= rows <= MOST_ROWS or min(purge, embargo) < 0:
        raise PolicyError(
            f"{tested} of {groups} groups of {rows} rows; use 1 <= tested < groups <= rows <= {MOST_ROWS}, "
            f"purge and embargo from 0, all whole numbers"
        )
    blocks = np.array_split(np.arange(rows), groups)
    for chosen in combinations(range(groups), tested):
        free = np.ones(rows, dtype=bool)
        for g in chosen:
            first, last = int(blocks[g][0]), int(blocks[g][-1])
            free[max(0, first - purge) : last + 1 + purge + embargo] = False
        yield Split(np.flatnonzero(free), tuple((g, blocks[g]) for g in chosen))


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Out-of-sample histories of one strategy.

    paths    (T, m) returns of each history, by date;  sharpe  (m,) their ratios per year
    """

    paths: pd.DataFrame
    sharpe: pd.Series


@typed
def cross_validate(
    returns: pd.DataFrame,
    fit: Fit,
    *,
    groups: int = 10,
    tested: int = 2,
    purge: int = 5,
    embargo: int = 5,
    risk_free_rate: float | Array = 0.0,
) -> CrossValidation:
    """The m = tested / groups x C(groups, tested) out-of-sample histories of weights fitted on the other blocks.

    returns  (T, n) simple returns without gaps, as many a year as their dates have
    fit      returns (t, n) of the training rows -> weights by name, a mapping or Series, which are kept (rebalanced
             every row, without costs) over each test block
    risk_free_rate  annual; one for all rows, or (T,) that of each
    Raises PolicyError where purge and embargo leave a fold fewer than LEAST_TRAINING rows, and for a weight that is no
    number or of a name that returns do not have.

    >>> cross_validate(prices.pct_change().iloc[1:], lambda table: {'GOLD': 1.0}, groups=4).paths.shape
    (300, 3)
    """
    values = _complete(returns)
    check_unique(returns)
    if not callable(fit):
        raise PolicyError(
            f"fit is a {type(fit).__name__}; give a function of a table of returns: symbol -> weight"
        )
    if not 1 <= tested < groups <= len(returns):
        raise PolicyError(f"{tested} of {groups} groups are tested; use 1 <= tested < groups <= rows")
    count = comb(groups, tested) * tested // groups
    paths = np.full((len(returns), count), np.nan)
    used = np.zeros(groups, dtype=int)
    for split in combinatorial_splits(len(returns), groups, tested, purge=purge, embargo=embargo):
        if len(split.train) < LEAST_TRAINING:
            raise PolicyError(
                f"{len(split.train)} rows are left to train on when groups {[g for g, _ in split.tests]} are tested; "
                f"at least {LEAST_TRAINING} are needed: test fewer groups, purge or embargo fewer rows, or give more"
            )
        w = _weights(fit(returns.iloc[split.train]), returns.columns)
        for group, rows in split.tests:
            paths[rows, used[group]] = values[rows] @ w
            used[group] += 1
    table = pd.DataFrame(paths, returns.index)
    yearly = periods_per_year(returns.index)
    return CrossValidation(table, table.apply(lambda path: p.sharpe(path.to_numpy(), risk_free_rate, yearly)))


def _weights(found: Mapping[str, float] | pd.Series, symbols: pd.Index) -> Array:
    """(n,) what was fitted, by name; PolicyError for what is no number by name, and for a stranger."""
    if not isinstance(found, Mapping | pd.Series):
        raise PolicyError(
            f"fit gives a {type(found).__name__}; it must give a weight by name, as a dict or Series"
        )
    weights = {str(symbol): pd.to_numeric(weight, errors="coerce") for symbol, weight in found.items()}
    if unknown := sorted(set(weights) - set(map(str, symbols))):
        raise PolicyError(f"fit gives weights to {', '.join(unknown)}, of which there are no returns")
    if wrong := [symbol for symbol, weight in weights.items() if not np.isfinite(weight)]:
        raise PolicyError(
            f"fit gives {', '.join(wrong)} a weight that is no number; leave out what is not held"
        )
    return np.array([weights.get(str(symbol), 0.0) for symbol in symbols])


@typed
def probability_of_overfitting(returns: pd.DataFrame, blocks: int = 10) -> float:
    """How often the best strategy in half of the blocks is below the median in the other half.

    returns  (T, m) of m strategies;  combinatorially symmetric cross-validation (Bailey, Borwein, Lopez de
             Prado & Zhu 2017), with the Sharpe ratio as the measure
    Strategies that are the same count once. Raises PolicyError for fewer than two, for an odd number of blocks and for
    blocks of fewer than two rows, DataError for a strategy that does not move: it has no Sharpe ratio.

    >>> probability_of_overfitting(prices.pct_change().iloc[1:], blocks=4) <= 1.0
    True
    """
    values = _complete(returns)
    table = np.unique(values, axis=1)
    if blocks < 2 or blocks % 2 or table.shape[1] < 2 or len(table) < 2 * blocks:
        raise PolicyError(
            f"{blocks} blocks of {len(table)} rows, {table.shape[1]} different strategies; use an even number of "
            f"blocks of at least two rows, and at least two strategies"
        )
    still = returns.columns[values.std(axis=0) <= p.ROUNDING]
    if len(still):
        raise DataError(f"{', '.join(map(str, still))} does not move and has no Sharpe ratio; leave it out")
    parts = np.array_split(table, blocks)
    below = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.vstack([parts[b] for b in chosen])
        outside = _ratios(np.vstack([parts[b] for b in range(blocks) if b not in chosen]))
        best = int(np.argmax(_ratios(inside)))
        rank = (np.sum(outside < outside[best]) + (np.sum(outside == outside[best]) + 1) / 2) / (
            len(outside) + 1
        )
        below.append(rank <= 0.5)
    return float(np.mean(below))


def _complete(returns: pd.DataFrame) -> Array:
    """(T, n) the returns; DataError for one that is none."""
    if not isinstance(returns, pd.DataFrame):
        raise DataError(f"returns are a {type(returns).__name__}; give a DataFrame, dates x names")
    values = in_time("returns", returns)
    if not (np.abs(values) < ABSURD).all():
        raise DataError("returns have gaps or are no fractions; keep the dates on which every symbol has one")
    return values


def _ratios(returns: Array) -> Array:
    """(m,) Sharpe ratios; 0 for one that stood still in these rows."""
    spread = returns.std(axis=0, ddof=1)
    moves = spread > p.ROUNDING
    return np.asarray(np.divide(returns.mean(axis=0), spread, out=np.zeros(len(spread)), where=moves))
