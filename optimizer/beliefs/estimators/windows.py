"""The window of prices that a recipe reads, and what is missing in it."""

import numpy as np

from optimizer.errors import DataError
from optimizer.model.recipe import Recipe
from optimizer.model.sessions import (
    TRADING_DAYS,
    Dates,
    Flags,
    alive,
    common_rows,
    frequency_of,
    periods_per_year,
    session_rows,
    usual_periods,
)
from optimizer.typing import Array

# The fewest returns, by how many there are a year at least: days, weeks, months and longer.
LEAST_RETURNS = {60: 30, 20: 26, 0: 12}
UNDATED = f"the rows have no dates: {TRADING_DAYS} a year are taken; state periods_per_year where they are not daily"


def first_row(values: Array, dates: Dates, recipe: Recipe) -> int:
    """The row of (T, n) prices from which there are `lookback_days` returns between the sessions of the set."""
    wanted = recipe.lookback_days + 1
    if recipe.missing == "complete":
        rows = common_rows(values, wanted)
    else:
        rows = np.flatnonzero(session_rows(~np.isnan(values), dates))[-wanted:]
    start = max(len(values) - wanted, 0)
    return min(int(rows[0]), start) if len(rows) else start


def session_count(priced: Flags, dates: Dates, recipe: Recipe) -> int:
    """How many sessions a set has that is priced (T, n) so: dates on which all names are, or most if "pairwise"."""
    own = priced.all(axis=1) if recipe.missing == "complete" else session_rows(priced, dates)
    return int(np.sum(own))


def yearly_periods(
    dates: Dates, recipe: Recipe, *, of_returns: bool = False
) -> tuple[float, tuple[str, ...]]:
    """How many returns a year there are, stated or counted, and a note where they are neither.

    of_returns  the dates are those of returns given as such: a row that is not there makes the others no longer
    """
    if recipe.periods_per_year is not None:
        return recipe.periods_per_year, ()
    counted = periods_per_year(dates, undated=np.nan)
    if np.isnan(counted):
        return float(TRADING_DAYS), (UNDATED,)
    if of_returns and not frequency_of(counted) and (usual := usual_periods(dates)):
        return usual, (f"rows are missing: most are a {frequency_of(usual)} step apart, {usual:g} a year",)
    if not frequency_of(counted):
        return counted, (
            f"the dates have {counted:.1f} periods a year, which is what returns are annualised by",
        )
    return counted, ()


def check_returns(values: Array, symbols: tuple[str, ...]) -> None:
    """Raises DataError where one of (T, n) returns is a number below -1, or infinite."""
    wrong = ~np.isnan(values) & ~((values >= -1) & np.isfinite(values))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"return {row} of {_name(int(column), symbols)} is {values[row, column]}; it must be -1 or above, or NaN"
        )


def check_enough(
    returns: Array, periods: float, given: Array, symbols: tuple[str, ...], recipe: Recipe
) -> None:
    """Raises DataError where (T, n) returns are too few; given: the table that they come from, with its gaps."""
    least = next(rows for above, rows in LEAST_RETURNS.items() if periods > above)
    if len(returns) < least:
        own = (~np.isnan(given)).sum(axis=0)
        shortest = _name(int(own.argmin()), symbols)
        kind = frequency_of(periods) if recipe.frequency == "daily" and len(returns) > 1 else recipe.frequency
        raise DataError(
            f"{len(returns)} {kind} returns are usable ({shortest} has {int(own.min())} rows); "
            f"{least} are needed: drop {shortest} or ingest more history"
        )


def gap_notes(table: Array, dates: Dates, symbols: tuple[str, ...], recipe: Recipe) -> tuple[str, ...]:
    """What is missing of (T, n) prices: how much of the lookback, and the sessions on which some name has none."""
    priced: Flags = ~np.isnan(table)
    own, notes = priced.sum(axis=0), []
    if (have := session_count(priced, dates, recipe) - 1) < recipe.lookback_days:
        fewest = f": {_name(int(own.argmin()), symbols)} has the fewest prices" if np.ptp(own) else ""
        notes.append(f"history has {max(have, 0)} of the {recipe.lookback_days} days asked for{fewest}")
    since = alive(priced) if recipe.missing == "complete" else slice(None)
    sessions = priced[since][session_rows(priced[since], dates[since])]
    lacking = (~sessions).sum(axis=0)
    if lacking.any():
        worst = int(lacking.argmax())
        through = (
            "each pair's own common dates" if recipe.missing == "pairwise" else "the dates common to all"
        )
        notes.append(
            f"{int((~sessions).any(axis=1).sum())} of {len(sessions)} sessions lack a price, of "
            f"{_name(worst, symbols)} {int(lacking[worst])}: returns run between {through}"
        )
    return tuple(notes)


def _name(column: int, symbols: tuple[str, ...]) -> str:
    return symbols[column] if column < len(symbols) else "the market"
