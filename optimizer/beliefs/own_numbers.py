"""A quant's own numbers beside the estimated ones: means, covariance, correlation, and a benchmark's series."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from optimizer.errors import DataError
from optimizer.model.alignment import check_names
from optimizer.model.estimates import Estimates
from optimizer.numerics.counted import floats


def with_benchmark(table: pd.DataFrame, benchmark: Any) -> tuple[pd.DataFrame, str]:
    """The table (T, n) with the benchmark's column after the others, by row labels, and that column's name.

    benchmark  a Series, or a DataFrame of one column; a row of numbers is in the order of the table
    Raises DataError where its name is a symbol's, a label occurs twice, or the two have no label in common.
    """
    if isinstance(benchmark, pd.DataFrame) and benchmark.shape[1] == 1:
        benchmark = benchmark.iloc[:, 0]
    if not isinstance(benchmark, pd.Series):
        row = floats("the benchmark", benchmark)
        if row.shape != (len(table),):
            raise DataError(
                f"the benchmark has shape {row.shape} for {len(table)} rows; give a Series by date"
            )
        benchmark = pd.Series(row, index=table.index)
    name = "benchmark" if benchmark.name is None else str(benchmark.name)
    if name in table.columns:
        raise DataError(
            f"the benchmark is called {name}, as one of the symbols is; give its series another name"
        )
    if not benchmark.index.is_unique or not {*table.index} & {*benchmark.index}:
        raise DataError("the benchmark has other dates than the table, or one twice; give one value a date")
    return table.assign(**{name: benchmark.reindex(table.index)}), name


def with_own(estimates: Estimates, mean: Any, covariance: Any, correlation: Any) -> Estimates:
    """The estimates with what is given in their place, checked; means not named stay. Raises DataError.

    mean  Series or dict, per year;  covariance  DataFrame, per year;  correlation  DataFrame; or arrays
    """
    if mean is None and covariance is None and correlation is None:
        return estimates
    given = mean
    if hasattr(mean, "keys"):
        told = {str(symbol): value for symbol, value in mean.items()}
        check_names("mean", map(str, mean.keys()), estimates.symbols, whole=False)
        own = estimates.mean if estimates.mean is not None else np.zeros(len(estimates.symbols))
        given = np.array([told.get(symbol, own[i]) for i, symbol in enumerate(estimates.symbols)])
    changed = {"mean": given, "covariance": _by_text(covariance), "correlation": _by_text(correlation)}
    return replace(estimates, **{name: value for name, value in changed.items() if value is not None})


def _by_text(square: Any) -> Any:
    """The matrix with its names as text, as those of the table are."""
    return square.rename(index=str, columns=str) if isinstance(square, pd.DataFrame) else square
