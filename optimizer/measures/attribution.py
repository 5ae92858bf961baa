"""Where a return came from: parts that add up to the chained total exactly."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.model.alignment import check_names
from optimizer.model.exposure_types import ExposureType, in_order
from optimizer.model.exposures import FundExposureMap
from optimizer.model.returns import carino_links
from optimizer.numerics.counted import floats, same_labels

ABSURD = 1e6
Groups = Mapping[str, str] | pd.DataFrame  # symbol -> group, or by date from which on it holds and symbol
HELD = 1e-12  # a net weight nearer to nothing has no return of its own


def contributions(weights: pd.DataFrame, returns: pd.DataFrame) -> pd.Series:
    """Contribution of each name to the chained total return, which their sum equals.

    weights  (T, n) at the close before each day;  returns  (T, n) of the days, the same columns in any order
    A day's part is weight x return; it is carried at the growth up to that day, so that parts add up
    (the value of 1 invested at the start).
    """
    if weights.shape != returns.shape:
        raise DataError(f"weights are {weights.shape} and returns {returns.shape}; give one for each")
    daily = weights.to_numpy() * placed("returns", returns, weights).to_numpy()
    growth = np.cumprod(1 + daily.sum(axis=1))
    carried = np.concatenate([[1.0], growth])[: len(daily)]
    return pd.Series(carried @ daily, weights.columns, name="contribution")


def by_exposure(parts: pd.Series, funds: FundExposureMap) -> dict[ExposureType, float]:
    """Contributions by type of exposure: each fund's is shared out by the size of its legs; the sum stays.

    A fund that is long one type and short another counts as UNKNOWN: its return alone does not tell what one leg
    made and the other lost.
    """
    found: dict[ExposureType, float] = {}
    for fund in funds.select([str(symbol) for symbol in parts.index]):
        mixed = len({amount > 0 for amount in fund.exposures.values()}) > 1
        legs = {ExposureType.UNKNOWN: 1.0} if mixed else fund.exposures
        gross = sum(legs.values())
        for kind, amount in legs.items():
            found[kind] = found.get(kind, 0.0) + float(parts[fund.symbol]) * amount / gross
    return {kind: found[kind] for kind in in_order(found)}


@typed
def brinson(
    weights: pd.DataFrame,
    returns: pd.DataFrame,
    benchmark_weights: pd.DataFrame,
    benchmark_returns: pd.DataFrame,
    earned: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Allocation, selection and interaction by group, linked so that they add up to the active return.

    All are (T, g): weights and returns of g groups per period (Brinson, Hood & Beebower 1986; allocation
    against the benchmark's total, Brinson & Fachler 1985; linked as Carino 1999).
    earned  (T, g) what each group added, for groups of longs and shorts that cancel; weights x returns otherwise
    Raises DataError for tables that do not fit, numbers that are none, and a total loss, which has no links.
    A group that one side does not hold has the other's return, whatever is given for it: nothing was selected in it.
    Groups and periods may stand in any order.

    >>> one = pd.DataFrame({'a': [0.6], 'b': [0.4]})
    >>> earned = pd.DataFrame({'a': [0.10], 'b': [0.02]})
    >>> brinson(one, earned, 0 * one + 0.5, 0 * one + 0.05).sum().round(4).to_dict()
    {'allocation': 0.0, 'selection': 0.01, 'interaction': 0.008}
    """
    tables = [weights, returns, benchmark_weights, benchmark_returns, *([] if earned is None else [earned])]
    if not all(isinstance(table, pd.DataFrame) for table in tables):
        raise DataError("weights and returns are DataFrames, periods x groups; make tables of them")
    if len({table.shape for table in tables}) > 1 or not weights.size:
        raise DataError(
            f"the tables have shapes {[table.shape for table in tables]}; all must be T x g, T >= 1"
        )
    names = ("weights", "returns", "benchmark_weights", "benchmark_returns", "earned")
    w, r, b, s, *rest = (
        floats(name, placed(name, table, weights)) for name, table in zip(names, tables, strict=False)
    )
    r, s = np.where(np.abs(w) > HELD, r, 0.0), np.where(np.abs(b) > HELD, s, 0.0)
    if not all((np.abs(table) < ABSURD).all() for table in (w, r, b, s, *rest)):
        raise DataError("a weight or return is no fraction; fill or drop that period")
    own = rest[0] if rest else w * r
    r, s = np.where(np.abs(w) > HELD, r, s), np.where(np.abs(b) > HELD, s, r)
    total, market = own.sum(axis=1), (b * s).sum(axis=1)
    # of a group whose longs and shorts cancel, what it earned is all interaction
    effects = np.stack([(w - b) * (s - market[:, None]), b * (r - s), (w - b) * (r - s) + own - w * r])
    # weights that add up to less than the benchmark's leave cash, which allocation must carry
    gap = (total - market) - effects.sum(axis=(0, 2))
    if np.abs(gap).max() > 1e-9 * max(1.0, float(np.abs(effects).max())):
        raise DataError("weights of portfolio and benchmark must add up to the same sum; add cash as a group")
    link = carino_links(total, market)
    linked = np.einsum("t,etg->ge", link, effects)
    return pd.DataFrame(linked, weights.columns, ["allocation", "selection", "interaction"])


def group_sums(
    weights: pd.DataFrame, returns: pd.DataFrame, groups: Groups
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weights and returns (T, g) of groups of names; a group without net weight returns 0.

    weights, returns  (T, n) of the names;  groups  as in `summed`
    """
    total = summed(weights, groups)
    earned = group_contributions(weights, returns, groups)
    return total, (earned / total.where(total.abs() > HELD)).fillna(0.0)


def group_contributions(weights: pd.DataFrame, returns: pd.DataFrame, groups: Groups) -> pd.DataFrame:
    """(T, g) weights x returns of the names of each group: what it earned, whatever its net weight."""
    return summed(weights * placed("returns", returns, weights).to_numpy(), groups)


def placed(what: str, table: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """The table with its columns, and its rows where they have the same labels, in the order of another; DataError."""
    check_names(what, table.columns, tuple(like.columns))
    ordered = table[list(like.columns)]
    return ordered.loc[like.index] if _reordered(table.index, like.index) else ordered


def _reordered(one: pd.Index, other: pd.Index) -> bool:
    """Whether two indexes hold the same labels, once each, in another order."""
    return not same_labels(one, other) and one.is_unique and len(one) == len(other) and set(one) == set(other)


def summed(table: pd.DataFrame, groups: Groups) -> pd.DataFrame:
    """(T, g) sums of the columns (T, n) of each group; DataError for a symbol without one.

    groups  symbol -> group; or a table of groups by date and symbol, each row from its date on, the first before it too
    """
    missing = [str(symbol) for symbol in table.columns if symbol not in groups]
    if missing:
        raise DataError(f"no group for {', '.join(missing)}; give each symbol one")
    if isinstance(groups, pd.DataFrame):
        place = np.maximum(groups.index.searchsorted(table.index, side="right") - 1, 0)
        of_day, values = groups[list(table.columns)].to_numpy()[place], table.to_numpy()
        sums = {
            name: np.where(of_day == name, values, 0.0).sum(axis=1) for name in sorted(set(of_day.ravel()))
        }
        return pd.DataFrame(sums, table.index)
    return table.T.groupby([groups[str(symbol)] for symbol in table.columns]).sum().T
