"""The rows of the five tables of a factor model."""

import numpy as np
import pandas as pd

from optimizer.factors.fit import FactorFit
from resources.results.factor_models.fitting import out_of_bounds


def factor_frames(fits: dict[str, FactorFit]) -> dict[str, pd.DataFrame]:
    """Rows of the five tables, recipes by name."""
    tables = {
        "factor_exposures": _exposures,
        "factor_returns": _returns,
        "factor_covariances": _covariances,
        "specific_risks": _specific,
        "factor_model_quality": _quality,
    }
    if not fits:  # recipes that asked for one before do no more
        return {table: pd.DataFrame(columns=["recipe"]) for table in tables}
    return {
        table: pd.concat([rows_of(fit).assign(recipe=name) for name, fit in sorted(fits.items())])
        for table, rows_of in tables.items()
    }


def _exposures(fit: FactorFit) -> pd.DataFrame:
    model = fit.model
    n, k = model.exposures.shape
    return pd.DataFrame({
        "symbol": np.repeat(model.symbols, k), "factor": np.tile(model.factors, n),
        "exposure": model.exposures.ravel(),
    })  # fmt: skip


def _returns(fit: FactorFit) -> pd.DataFrame:
    factors, dates = fit.plan.factors, [session.date for session in fit.sessions]
    return pd.DataFrame({
        "date": np.repeat(np.array(dates, dtype=object), len(factors)), "factor": np.tile(factors, len(dates)),
        "return": fit.factor_returns.ravel(),
    })  # fmt: skip


def _covariances(fit: FactorFit) -> pd.DataFrame:
    model = fit.model
    k = len(model.factors)
    return pd.DataFrame({
        "factor": np.repeat(model.factors, k), "other": np.tile(model.factors, k),
        "covariance": model.factor_covariance.ravel(), "factor_group": np.repeat(model.groups, k),
        "sequence": np.repeat(np.arange(k, dtype=np.int32), k),
    })  # fmt: skip


def _specific(fit: FactorFit) -> pd.DataFrame:
    variance = fit.model.specific
    return pd.DataFrame({
        "symbol": fit.symbols, "volatility": np.sqrt(variance), "variance": variance,
        "observations": fit.moments.count.astype(np.int32), "estimation": fit.universe,
    })  # fmt: skip


def _quality(fit: FactorFit) -> pd.DataFrame:
    measured = [(measure, "", value, None) for measure, value in fit.quality.items()]
    missing = [("missing", factor, None, why) for factor, why in sorted(fit.plan.missing.items())]
    doubts = [("doubt", measure, None, said) for measure, said in out_of_bounds(fit).items()]
    return pd.DataFrame([*measured, *missing, *doubts], columns=["measure", "factor", "value", "note"])
