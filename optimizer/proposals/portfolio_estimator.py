"""A policy in scikit-learn's manners: fit on returns, predict a portfolio's returns, search over its settings."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from optimizer.beliefs.estimators.recipes import estimate
from optimizer.errors import PolicyError, meant
from optimizer.measures import performance
from optimizer.model.alignment import check_names
from optimizer.model.estimates import Estimates
from optimizer.model.policy import Policy
from optimizer.model.recipe import Recipe
from optimizer.model.returns import per_period
from optimizer.model.universe import Universe
from optimizer.solvers.solve import solve
from optimizer.typing import Array

Nested = type[Policy] | type[Recipe]
# Parameters whose fields are parameters too.
NESTED: Mapping[str, Nested] = {"policy": Policy, "recipe": Recipe}


class PortfolioEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Weights by a policy from a table of returns (T, n), for `clone`, `Pipeline` and `GridSearchCV`.

    policy       method and limits, Policy() for None; its fields are parameters too: `policy__risk_aversion`
    recipe       how means and risk are estimated; None: the policy's methods, over all rows. Fields as the policy's
    universe     sectors, funds, factors; None: the names alone
    mean, covariance, correlation  own numbers as `estimate` takes them; a covariance may also be an estimator with
                 `covariance_`, as those of sklearn.covariance, fitted to the same rows
    held         weights before, by name, for turnover and trading costs
    After `fit`: weights_ (a Series), cash_, solution_ (certified), estimates_.

    >>> found = PortfolioEstimator(Policy(method='min_volatility')).fit(prices.pct_change().dropna())
    >>> round(float(found.weights_.sum()), 6)
    1.0
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        recipe: Recipe | None = None,
        universe: Universe | None = None,
        mean: Any = None,
        covariance: Any = None,
        correlation: Any = None,
        held: Any = None,
    ) -> None:
        self.policy = policy
        self.recipe = recipe
        self.universe = universe
        self.mean = mean
        self.covariance = covariance
        self.correlation = correlation
        self.held = held

    def __sklearn_tags__(self) -> Any:
        """Rows that lack a return are left out, as `estimate` does."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; deep ones with the fields of policy and recipe."""
        found: dict[str, Any] = super().get_params(deep=deep)
        for name, kind in NESTED.items():
            own = getattr(self, name)
            if deep and isinstance(own, kind):
                found |= {f"{name}__{field}": getattr(own, field) for field in fields_of(kind)}
        return found

    def set_params(self, **params: Any) -> Self:
        """Sets parameters by name; `policy__NAME` makes a policy with that field. Raises PolicyError.

        `recipe__NAME` does the same with a recipe that is given.
        """
        parts = {key: key.partition("__") for key in params}
        plain = {key: value for key, value in params.items() if not self._holds(parts[key], params)}
        super().set_params(**plain)
        for name, kind in NESTED.items():
            nested = {field: params[key] for key, (own, _, field) in parts.items() if own == name and field}
            known = fields_of(kind)
            if unknown := sorted(set(nested) - set(known)):
                raise PolicyError(f"a {name} has no {', '.join(unknown)}; {meant(unknown[0], known)}")
            if nested:
                own = Policy() if name == "policy" and self.policy is None else getattr(self, name)
                setattr(self, name, replace(own, **nested))
        return self

    def _holds(self, part: tuple[str, str, str], params: Mapping[str, Any]) -> bool:
        """Whether a name before and after "__" is a field of the policy or recipe; PolicyError where nothing has it."""
        name, _, field = part
        if not field or name not in self.get_params(deep=False):
            return False
        own = params.get(name, getattr(self, name))
        if isinstance(own, NESTED.get(name, ())) or (name == "policy" and own is None):
            return True
        if not hasattr(own, "set_params"):
            raise PolicyError(f"{name} is {own!r} and has no {field}; set {name} itself, as a whole")
        return False

    def fit(self, X: Any, y: Any = None) -> Self:
        """Chooses the weights.

        X  (T, n) simple returns, a DataFrame with names or an array;  y  (T,) returns of the benchmark, or None
        Raises PolicyError, DataError, InfeasibleError and SolverError as `estimate` and `solve` do.
        """
        checked = validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2
        )
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(checked.shape[1])])
        labels = X.index if isinstance(X, pd.DataFrame) else None
        table = pd.DataFrame(checked, index=labels, columns=list(names))
        against = None if y is None else _series(y, table.index)
        policy = self.policy or Policy()
        if not isinstance(policy, Policy):
            raise PolicyError(f"policy is {policy!r}; it must be a Policy: Policy(method='hrp')")
        self.estimates_ = self._estimated(table, policy, against)
        universe = self.universe or Universe(tuple(names))
        if against is not None:
            universe = replace(universe, benchmark={self.estimates_.symbols[-1]: 1.0})
        self.solution_ = solve(self.estimates_, policy, universe, self.held)
        self.weights_ = self.solution_.series[list(names)]
        self.cash_ = self.solution_.cash
        return self

    def _estimated(self, table: pd.DataFrame, policy: Policy, benchmark: pd.Series | None) -> Estimates:
        recipe = self.recipe or Recipe(
            mean_method=policy.mean_method,
            covariance_method=policy.covariance_method,
            lookback_days=max(len(table), 2),
            risk_free_rate=policy.risk_free_rate or 0.0,
        )
        own = self.covariance
        fitted = hasattr(own, "fit")
        found = estimate(
            returns=table,
            recipe=recipe,
            benchmark=benchmark,
            mean=self.mean,
            covariance=None if fitted else own,
            correlation=self.correlation,
        )
        if not fitted:
            return found
        risk = clone(own).fit(found.scenarios).covariance_ * found.periods_per_year
        return replace(found, covariance=risk)

    def predict(self, X: Any) -> Any:
        """(T,) returns of the weights, cash at the policy's rate; a Series where X is a DataFrame, in any order."""
        check_is_fitted(self)
        returns, labels = self._rows(X)
        periodic = per_period(
            (self.policy or Policy()).risk_free_rate or 0.0, self.estimates_.periods_per_year
        )
        found = returns @ self.weights_.to_numpy() + self.cash_ * periodic
        return found if labels is None else pd.Series(found, index=labels, name="return")

    def score(self, X: Any, y: Any = None) -> float:
        """The Sharpe ratio per year on these rows; against a benchmark's returns y (T,) the information ratio."""
        found = np.asarray(self.predict(X))
        periods = self.estimates_.periods_per_year
        if y is None:
            return performance.sharpe(found, (self.policy or Policy()).risk_free_rate or 0.0, periods)
        labels = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(found))
        return performance.information_ratio(found, _series(y, labels).to_numpy(), periods)

    def _rows(self, X: Any) -> tuple[Array, pd.Index | None]:
        """(T, n) in the order of the weights, and the labels of the rows where they have some."""
        labels = None
        if isinstance(X, pd.DataFrame):
            labels = X.index
            if hasattr(self, "feature_names_in_"):
                check_names("X", X.columns, tuple(self.feature_names_in_))
                X = X[list(self.feature_names_in_)]
        return validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False), labels


def fields_of(kind: Nested) -> list[str]:
    """The names of a dataclass's fields."""
    return [item.name for item in fields(kind)]


def _series(values: Any, labels: pd.Index) -> pd.Series:
    """(T,) by the labels of the rows; what has none of its own is in their order."""
    if isinstance(values, pd.DataFrame) and values.shape[1] == 1:
        values = values.iloc[:, 0]
    if isinstance(values, pd.Series | Mapping):
        return pd.Series(values).reindex(labels)
    given = np.asarray(values, dtype=np.float64).ravel()
    if len(given) != len(labels):
        raise ValueError(f"y has {len(given)} rows and X has {len(labels)}; give one return a row")
    return pd.Series(given, index=labels)
