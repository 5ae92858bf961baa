"""Views on whole distributions: scenario probabilities that hold the views and differ least from the prior's.

Least relative entropy sum p ln(p / prior) subject to the views (Meucci 2008, Fully Flexible Views), by Newton's
method on the dual, which has one unknown a view. Views on volatility and correlation become linear once the
means (and volatilities) they refer to are held where the earlier stage left them (Vorobets 2021, Sequential
Entropy Pooling).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.arguments import typed
from optimizer.beliefs.entropy_dual import Rows, conflict, tilt
from optimizer.beliefs.scenario_view import STAGES, ScenarioView
from optimizer.beliefs.tail_views import CVAR_TOLERANCE, TailView
from optimizer.errors import DataError, PolicyError, meant, some_of
from optimizer.model.alignment import named_columns
from optimizer.model.estimates import ABSURD_RETURN, Estimates, check_periods, check_symbols, finite
from optimizer.typing import Array

FEW = 0.1
FAR = 0.5  # of a name's volatility: its Sharpe ratio moves by that much
CVAR_ROUNDS = 200


@dataclass(frozen=True, eq=False)
class Pooled:
    """The scenarios under the views.

    probabilities        (T,) positive, adding up to 1
    mean, covariance     (n,), (n, n) of total returns, per year
    relative_entropy     sum p ln(p / prior): 0 where the views say nothing new
    effective_scenarios  exp of the entropy of p: how many equally likely scenarios hold as much information
    """

    probabilities: Array
    mean: Array
    covariance: Array
    relative_entropy: float
    effective_scenarios: float
    warnings: tuple[str, ...] = ()


@typed
def pool(
    symbols: Sequence[str],
    scenarios: Array,
    views: Sequence[ScenarioView],
    *,
    prior: Array | None = None,
    periods_per_year: float = 252,
) -> Pooled:
    """The probabilities nearest to the prior's under which every view holds (Meucci 2008).

    scenarios  (T, n) simple returns of one period, columns in the order of `symbols`; of a DataFrame by their names
    prior      (T,) probabilities; None = all alike
    Views of less than full confidence hold in a mixture (Meucci 2008, section 4): with confidences c1 < c2 the
    result is (1 - c2) prior + (c2 - c1) {second view} + c1 {both views}.
    Raises PolicyError for an unknown symbol or views that no weighting of these scenarios fulfils, by name, DataError
    for scenarios that are none.

    >>> found = pool(symbols, sample.returns, [ScenarioView('mean', {'EQUITY': 1.0}, 0.10)])
    >>> found.mean.round(4).tolist()[1]
    0.1
    """
    check_symbols(tuple(symbols))
    returns = finite("scenarios", named_columns("scenarios", scenarios, tuple(symbols)), (None, len(symbols)))
    if not len(returns) or (np.abs(returns) > ABSURD_RETURN).any():
        raise DataError(f"{len(returns)} scenarios; at least one is needed, of fractions: write 0.01 for 1%")
    check_periods(periods_per_year)
    start = _prior(prior, len(returns))
    case = _Case(tuple(symbols), returns, start, periods_per_year)
    mixed = case.mixed(views)
    return _described(mixed, start, returns, periods_per_year, case.unspoken(views, mixed))


@typed
def pooled_estimates(estimates: Estimates, views: Sequence[ScenarioView]) -> Estimates:
    """The estimates' own scenarios under the views, as estimates: mean and covariance of the weighted days.

    The result has the scenarios with their new probabilities. Raises PolicyError where the estimates have none,
    and as `pool`.

    >>> pooled_estimates(history, [ScenarioView('mean', {'EQUITY': 1.0}, 0.10)]).mean.round(4).tolist()[1]
    0.1
    """
    if estimates.scenarios is None:
        raise PolicyError("entropy pooling needs scenarios; the estimates have none: estimate from prices")
    found = pool(
        estimates.symbols, estimates.scenarios, views, prior=estimates.probabilities,
        periods_per_year=estimates.periods_per_year,
    )  # fmt: skip
    said = "; ".join(map(str, views)) or "none"
    return Estimates(
        symbols=estimates.symbols,
        mean=found.mean,
        covariance=found.covariance,
        scenarios=estimates.scenarios,
        probabilities=found.probabilities,
        observations=estimates.observations,
        periods_per_year=estimates.periods_per_year,
        notes=(*estimates.notes, f"entropy pooling, views: {said}", *found.warnings),
    )


def moved(scenarios: Array, mean: Array, covariance: Array, *, periods_per_year: float = 252) -> Array:
    """(T, n) the scenarios with these moments per year and no others: the map that moves each day the least.

    X' = mean + (X - average) A with A = C^-1/2 (C^1/2 S C^1/2)^1/2 C^-1/2, C the scenarios' own covariance (Dowson &
    Landau 1982). mean (n,), covariance (n, n) per year. Raises PolicyError where there are too few days to tell the
    names apart.
    """
    away = scenarios - scenarios.mean(axis=0)
    values, vectors = np.linalg.eigh(away.T @ away / len(away))
    if values[0] <= 1e-12 * values[-1]:
        raise PolicyError(
            f"entropy pooling needs scenarios that tell the {scenarios.shape[1]} names apart, and these {len(away)} "
            f"days do not; raise lookback_days, or leave out names that move alike"
        )
    half, inverse = ((vectors * values**power) @ vectors.T for power in (0.5, -0.5))
    size, turn = np.linalg.eigh(half @ (covariance / periods_per_year) @ half)
    map_ = inverse @ (turn * np.sqrt(np.maximum(size, 0.0))) @ turn.T @ inverse
    return np.asarray(mean / periods_per_year + away @ map_)


@dataclass(frozen=True, eq=False)
class _Case:
    symbols: tuple[str, ...]
    returns: Array
    prior: Array
    periods: float

    def mixed(self, views: Sequence[ScenarioView]) -> Array:
        """(T,) probabilities when each view holds in the share of the mixture that its confidence says."""
        found, heard = np.zeros(len(self.prior)), 0.0
        for level in sorted({view.confidence for view in views} - {0.0}):
            found += (level - heard) * self.under([view for view in views if view.confidence >= level])
            heard = level
        return found + (1.0 - heard) * self.prior

    def unspoken(self, views: Sequence[ScenarioView], p: Array) -> tuple[str, ...]:
        """What is said where views on anything but means move means far; p (T,) the probabilities under all views."""
        others = {view.kind: None for view in views if view.confidence and view.kind != "mean"}
        if not others:
            return ()
        without = self.mixed([view for view in views if view.kind == "mean"])
        before, after = (self.periods * (weights @ self.returns) for weights in (without, p))
        spread = np.sqrt(self.periods * (without @ (self.returns - without @ self.returns) ** 2))
        far = np.flatnonzero(np.abs(after - before) > FAR * spread)
        said = [f"{self.symbols[i]} from {before[i]:.1%} to {after[i]:.1%}" for i in far]
        return (
            (
                f"the views on {' and '.join(others)} move expected returns that no view speaks of: {some_of(said)} a "
                f"year; add a view of kind mean to hold one",
            )
            if said
            else ()
        )

    def under(self, views: Sequence[ScenarioView]) -> Array:
        """(T,) probabilities when all these views hold, stage by stage."""
        found, rows = self.prior, Rows.none(len(self.prior))
        heard: list[ScenarioView] = []
        tails: list[TailView] = []
        for kinds in STAGES:
            fresh = [view for view in views if view.kind in kinds]
            for view in fresh:
                if view.kind == "cvar":
                    losses = -self._portfolio(view)
                    _check_reach(view, losses)
                    tails.append(
                        TailView.of(losses, view.level, view.value, view.sense, len(heard), now=found)
                    )
                else:
                    rows = rows.joined(self._rows(view, found, len(heard)))
                heard.append(view)
            if fresh:
                found = self._with_tails(rows, tails, found, heard) if tails else self._solved(rows, heard)
        return found

    def _rows(self, view: ScenarioView, now: Array, place: int) -> Rows:
        x = self._portfolio(view)
        if view.kind == "mean":
            return Rows.one(x - view.value / self.periods, view.sense, place)
        if view.kind == "volatility":
            deviation = x - now @ x
            spread = Rows.one(deviation**2 - view.value**2 / self.periods, view.sense, place)
            return Rows.one(deviation, "=", place).joined(spread)
        if view.kind == "correlation":
            a, b = (self._standard(symbol, now) for symbol in view.assets)
            held = [Rows.one(row, "=", place) for row in (a, b, a**2 - 1.0, b**2 - 1.0)]
            together = Rows.one(a * b - view.value, view.sense, place)
            return together.joined(*held)
        raise AssertionError(view.kind)

    def _portfolio(self, view: ScenarioView) -> Array:
        for symbol in view.assets:
            if symbol not in self.symbols:
                raise PolicyError(
                    f"view {view} names {symbol}, which is not estimated; {meant(symbol, self.symbols)}"
                )
        columns = [self.symbols.index(symbol) for symbol in view.assets]
        return np.asarray(self.returns[:, columns] @ np.array(list(view.assets.values())))

    def _standard(self, symbol: str, now: Array) -> Array:
        if symbol not in self.symbols:
            raise PolicyError(f"a view names {symbol}, which is not estimated; {meant(symbol, self.symbols)}")
        deviation = self.returns[:, self.symbols.index(symbol)].copy()
        deviation -= now @ deviation
        spread = float(np.sqrt(now @ deviation**2))
        if spread == 0:
            raise PolicyError(
                f"{symbol} never moves in these scenarios, so no view on its correlation can hold"
            )
        return deviation / spread

    def _with_tails(
        self, rows: Rows, tails: Sequence[TailView], found: Array, heard: Sequence[ScenarioView]
    ) -> Array:
        cuts: list[Rows] = []
        for tail in tails:
            cuts.append(tail.first(self.prior, rows.joined(*cuts), found))
        for _ in range(CVAR_ROUNDS):
            before, found = found, self._solved(rows.joined(*cuts), heard)
            if np.abs(found - before).max() <= CVAR_TOLERANCE and all(tail.holds(found) for tail in tails):
                return found
            cuts = [tail.cut(kept, found) for tail, kept in zip(tails, cuts, strict=True)]
        names = "; ".join(str(heard[tail.place]) for tail in tails)
        raise PolicyError(f"the views {names} did not settle in {CVAR_ROUNDS} rounds; loosen or drop one")

    def _solved(self, rows: Rows, heard: Sequence[ScenarioView]) -> Array:
        found = tilt(self.prior, rows)
        if found is None:
            views = [heard[place] for place in conflict(rows)]
            names, exact = "; ".join(map(str, views)), any(view.sense == "=" for view in views)
            raise PolicyError(
                f"no weighting of these {len(self.prior)} scenarios fulfils the views {names}: loosen or drop one"
                f"{', or give it a sense (>=, <=) in place of =' if exact else ''}"
            )
        return found


def _check_reach(view: ScenarioView, losses: Array) -> None:
    """Raises PolicyError where no mean of these losses (T,) is as large, or as small, as the view wants its tail."""
    least, most = float(losses.min()), float(losses.max())
    if (view.sense != "<=" and view.value > most) or (view.sense != ">=" and view.value < least):
        raise PolicyError(
            f"view {view}: the losses of these {len(losses)} scenarios are {least:.4g} to {most:.4g}, and so is the "
            f"mean of any worst part of them; state a loss between these, or use more history"
        )


def _described(p: Array, prior: Array, returns: Array, periods: float, warnings: tuple[str, ...]) -> Pooled:
    some = p > 0
    mean = p @ returns
    deviation = returns - mean
    effective = float(np.exp(-(p[some] @ np.log(p[some]))))
    entropy = max(float(p[some] @ np.log(p[some] / prior[some])), 0.0)
    if effective < FEW * len(p):
        few = f"the views rest on {effective:.0f} of {len(p)} scenarios in effect; they are far from history"
        warnings = (few, *warnings)
    covariance = (deviation * p[:, None]).T @ deviation * periods
    return Pooled(p, mean * periods, (covariance + covariance.T) / 2, entropy, effective, warnings)


def _prior(prior: Array | None, count: int) -> Array:
    if prior is None:
        return np.full(count, 1.0 / count)
    given = finite("prior", prior, (count,))
    if (given <= 0).any() or abs(float(given.sum()) - 1.0) > 1e-9:
        raise PolicyError(
            f"prior: probabilities must be positive and add up to 1; they add up to {given.sum():g}"
        )
    return given
