"""A quant's own numbers beside the estimated ones: means, covariance, correlation, and a benchmark's series."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from optimizer.errors import DataError
from optimizer.model.alignment import check_names
from optimizer.model.estimates import Estimates


def with_benchmark(table: pd.DataFrame, benchmark: pd.Series) -> tuple[pd.DataFrame, str]:
    """The table (T, n) with the benchmark's column after the others, by row labels, and that column's name.

    Raises DataError where its name is a symbol's, a label occurs twice, or the two have no label in common.
    """
    name = "benchmark" if benchmark.name is None else str(benchmark.name)
    if name in table.columns:
        raise DataError(
            f"the benchmark is called {name}, as one of the symbols is; give its series another name"
        )
    if not benchmark.index.is_unique or not table.index.isin(benchmark.index).any():
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
        check_names("mean", mean.keys(), estimates.symbols, whole=False)
        own = estimates.mean if estimates.mean is not None else np.zeros(len(estimates.symbols))
        told = dict(mean.items())
        given = np.array([told.get(symbol, own[i]) for i, symbol in enumerate(estimates.symbols)])
    changed = {"mean": given, "covariance": covariance, "correlation": correlation}
    return replace(estimates, **{name: value for name, value in changed.items() if value is not None})
