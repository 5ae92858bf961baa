"""What books lose when markets jump: scenarios priced by sensitivities, or by the real returns of their past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.risk.scenarios import ABSURD, FACTORS, YIELDS, Scenario, Sensitivities, applied_moves
from optimizer.typing import Array


@dataclass(frozen=True, eq=False)
class Shock:
    """A scenario as it is applied: the same for all books on the same sensitivities.

    log  (k,) log moves of FACTORS
    """

    scenario: Scenario
    log: Array

    @cached_property
    def moves(self) -> Mapping[str, float]:
        """Factor -> size applied, fractions."""
        sizes = zip(FACTORS, self.log.tolist(), strict=True)
        return {factor: size if factor in YIELDS else float(np.expm1(size)) for factor, size in sizes}


@dataclass(frozen=True, eq=False)
class Stress:
    """What one scenario does to a book; money in the base currency, losses negative.

    moves           factor -> size applied, fractions
    profits         symbol -> profit
    by_factor       factor -> profit to first order; `compounding` is the rest of the total
    standard_error  of the total, from the estimation of the sensitivities; 0 where all are declared or replayed
    replayed        symbols priced by their real returns of the scenario's window
    """

    scenario: Scenario
    moves: Mapping[str, float]
    profits: Mapping[str, float]
    by_factor: Mapping[str, float]
    compounding: float
    standard_error: float
    replayed: tuple[str, ...] = field(default=())

    @cached_property
    def total(self) -> float:
        """Profit of the book, negative for a loss."""
        return float(left_to_right(np.array([[*self.profits.values()]], dtype=float))[0])

    @property
    def causes(self) -> Array:
        """(k,) what each of FACTORS costs the book, >= 0."""
        replayed = [self.profits[symbol] for symbol in self.replayed]
        told = [self.by_factor.get(factor, 0.0) for factor in FACTORS]
        causes: Array = _causes(np.array([told]), np.array([replayed], dtype=float))[0]
        return causes


@typed
def stress(
    values: Mapping[str, float],
    sensitivities: Sensitivities,
    scenario: Scenario,
    replayed: Mapping[str, float] | None = None,
) -> Stress:
    """The scenario's effect on holdings: value x (exp(sensitivities x moves) - 1), so that nothing loses over 100%.

    values    symbol -> value held, base currency, negative when short
    replayed  symbol -> real return over the scenario's window, a fraction; the others are priced by sensitivity
    Linear in the log moves: the convexity of bonds and options is not in it. Raises DataError for a value or return
    that is no number, PolicyError for a symbol without sensitivities.

    >>> round(stress({'EQUITY': 1000.0}, sensitivities, Scenario('crash', 'x', {'equity': -0.2})).total, 2)
    -200.0
    """
    shock = Shock(scenario, applied_moves(scenario, sensitivities))
    return stress_each(values, sensitivities, [shock], [replayed])[0]


def stress_each(
    values: Mapping[str, float],
    sensitivities: Sensitivities,
    shocks: Sequence[Shock],
    replays: Sequence[Mapping[str, float] | None],
) -> list[Stress]:
    """`stress` of each of some shocks, none of which decides a bit of another's answer.

    replays  for each shock what `stress` calls replayed
    """
    return stressed_by(values, sensitivities, shocks, replays).each() if shocks else []


@dataclass(frozen=True, eq=False)
class StressTable:
    """What some scenarios do to a book, a row each; money in the base currency, losses negative.

    profits      (S, n) of each symbol;  replayed  (S, n) whether by its real return of the scenario's window
    by_factor    (S, k) to first order;  compounding  (S,) the rest
    errors       (S,) standard errors of the totals
    """

    shocks: Sequence[Shock]
    symbols: tuple[str, ...]
    profits: Array
    replayed: npt.NDArray[np.bool_]
    by_factor: Array
    compounding: Array
    errors: Array

    @cached_property
    def totals(self) -> Array:
        """(S,) profits of the book."""
        return left_to_right(self.profits)

    @cached_property
    def causes(self) -> Array:
        """(S, k) what each factor costs the book, >= 0."""
        return _causes(self.by_factor, np.where(self.replayed, self.profits, 0.0))

    def each(self) -> list[Stress]:
        """The rows, each by itself."""
        columns = (
            self.profits.tolist(),
            self.by_factor.tolist(),
            self.compounding.tolist(),
            self.errors.tolist(),
        )
        return [
            Stress(
                shock.scenario, shock.moves, dict(zip(self.symbols, profits, strict=True)),
                dict(zip(FACTORS, first, strict=True)), rest, error,
                tuple(symbol for symbol, real in zip(self.symbols, replayed, strict=True) if real),
            )
            for shock, replayed, profits, first, rest, error in zip(
                self.shocks, self.replayed.tolist(), *columns, strict=True
            )
        ]  # fmt: skip


def _causes(by_factor: Array, replayed: Array) -> Array:
    """What each factor costs: a replayed loss is not told apart by factor, any of them may be its cause."""
    untold = np.maximum(-left_to_right(replayed), 0.0)
    return np.asarray(np.maximum(-by_factor, 0.0) + untold[:, None])


def left_to_right(amounts: Array) -> Array:
    """(R,) sums of the rows of amounts (R, n), in their order, so that other rows decide no bit of one."""
    return np.cumsum(amounts, axis=1)[:, -1] if amounts.shape[1] else np.zeros(len(amounts))


def stressed_by(
    values: Mapping[str, float],
    sensitivities: Sensitivities,
    shocks: Sequence[Shock],
    replays: Sequence[Mapping[str, float] | None],
) -> StressTable:
    """`stress_each` of at least one shock, as arrays."""
    known = [{s: real[s] for s in values if s in real} if real else {} for real in replays]
    _refuse_absurd(values, *filter(None, known))
    sens = sensitivities.of(tuple(values))
    logs = np.array([shock.log for shock in shocks])
    held = np.array(list(values.values()), dtype=float)
    returns = growth = np.expm1((sens.values @ logs[:, :, None])[:, :, 0])
    replayed = np.zeros(growth.shape, dtype=bool)
    if any(known):
        real = np.full(growth.shape, np.nan)
        for row in (row for row, told in enumerate(known) if told):
            real[row] = [known[row].get(symbol, np.nan) for symbol in sens.symbols]
        replayed = ~np.isnan(real)
        returns = np.where(replayed, real, growth)
    priced = held * ~replayed
    firsts = (priced[:, None, :] @ (sens.values * logs[:, None, :]))[:, 0]
    compounding = (priced[:, None, :] @ returns[:, :, None])[:, 0, 0] - firsts.sum(axis=1)
    errors = _standard_errors(priced * (1 + growth), sens, logs)
    return StressTable(shocks, sens.symbols, held * returns, replayed, firsts, compounding, errors)


def _refuse_absurd(*amounts: Mapping[str, float]) -> None:
    for told in amounts:
        if not (np.abs(np.fromiter(told.values(), float, len(told))) < ABSURD).all():
            wrong = [f"{symbol} {number}" for symbol, number in told.items() if not abs(number) < ABSURD]
            raise DataError(f"{', '.join(wrong)} is no amount or return; correct it")


def standard_error(values: Array, sensitivities: Sensitivities, moves: Array) -> float:
    """Standard error of values @ sensitivities @ moves: one regression of the whole book on the factors."""
    return float(_standard_errors(values[None], sensitivities, moves[None])[0])


def _standard_errors(values: Array, sensitivities: Sensitivities, moves: Array) -> Array:
    """(S,) `standard_error` of each row of values (S, n) and moves (S, k)."""
    own = sensitivities.residuals @ values[:, :, None]
    variances = (own.transpose(0, 2, 1) @ own)[:, 0, 0] / sensitivities.freedom
    spreads = (moves[:, None, :] @ sensitivities.information @ moves[:, :, None])[:, 0, 0]
    return np.asarray(np.sqrt(np.maximum(variances * spreads, 0.0)))
