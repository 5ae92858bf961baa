"""One opinion on a distribution: of which portfolio, of which of its numbers, how certain."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from math import isfinite

from optimizer.arguments import typed
from optimizer.beliefs.exposure_views import exposures_in
from optimizer.errors import PolicyError, check_one_of
from optimizer.model.estimates import ABSURD_RETURN
from optimizer.model.ranges import checked_mapping, checked_number

STAGES = (("mean",), ("volatility", "cvar"), ("correlation",))
SENSES = ("=", ">=", "<=")
MOST_WEIGHT = 1e9


@typed
@dataclass(frozen=True)
class ScenarioView:
    """One opinion on the distribution of a portfolio's return.

    kind        "mean": expected total return per year; "volatility": per year; "cvar": expected loss of one
                period in the worst 1 - level of cases, positive for a loss; "correlation": of two symbols
    assets      symbol -> weight of the portfolio it is about, {"A": 1, "B": -1} for A's lead over B; the two
                symbols of a correlation, with weight 1 each; a list of symbols is weight 1 each
    value       what the number is, in the unit of `kind`
    sense       "=", ">=" or "<="
    confidence  0 = no effect, 1 = holds exactly; between: the share of the mixture in which it holds
    Raises PolicyError for anything else.

    >>> print(ScenarioView('volatility', {'EQUITY': 1.0}, 0.25, sense='>='))
    volatility(EQUITY) >= 0.25
    """

    kind: str
    assets: Mapping[str, float]
    value: float
    _: KW_ONLY
    sense: str = "="
    confidence: float = 1.0
    level: float = 0.95

    def __post_init__(self) -> None:
        given: object = self.assets
        if isinstance(given, list | tuple):
            if not all(isinstance(name, str) for name in given) or len(set(given)) < len(given):
                raise PolicyError(f"view: assets is {given!r}; name symbols, each once")
            given = dict.fromkeys(given, 1.0)
        object.__setattr__(self, "assets", checked_mapping("view: assets", given))
        for name, number in self.assets.items():
            checked_number(f"view: the weight of {name}", number)
        for name in ("value", "confidence", "level"):
            checked_number(f"view on {self.kind}: {name}", getattr(self, name))
        _check_view(self)

    def __str__(self) -> str:
        sides = " ".join(f"{weight:+g} {symbol}" for symbol, weight in self.assets.items())
        return f"{self.kind}({sides.removeprefix('+1 ')}) {self.sense} {self.value:g}"


def _check_view(view: ScenarioView) -> None:
    kinds = [kind for stage in STAGES for kind in stage]
    check_one_of("view kind", view.kind, kinds)
    check_one_of(f"view {view}: sense", view.sense, SENSES)
    if not view.assets or not all(abs(weight) <= MOST_WEIGHT for weight in view.assets.values()):
        raise PolicyError(
            f"view on {view.kind}: assets are {dict(view.assets)}; name symbols with their weights, each of at most "
            f"{MOST_WEIGHT:g}"
        )
    if exposures_in(view.assets):
        raise PolicyError(
            f"view {view} is on an exposure, and views of a kind are on symbols; name the symbols, or say it as a view "
            f"on returns with view_model black_litterman"
        )
    for name, number, low, high in (
        ("confidence", view.confidence, 0.0, 1.0),
        ("level", view.level, 0.5, 1.0 - 1e-6),
        ("value", view.value, *_range(view.kind)),
    ):
        if not (isfinite(number) and low <= number <= high):
            raise PolicyError(
                f"view {view}: {name} is {number:g}; it must be a fraction from {low:g} to {high:g}"
            )
    if view.kind == "correlation" and (len(view.assets) != 2 or set(view.assets.values()) != {1}):
        raise PolicyError(f"view {view}: a correlation is of two symbols, each with weight 1")


def _range(kind: str) -> tuple[float, float]:
    if kind == "correlation":
        return -1.0, 1.0
    return (0.0, ABSURD_RETURN) if kind == "volatility" else (-ABSURD_RETURN, ABSURD_RETURN)
