"""Views on top of the market's equilibrium (Black & Litterman 1992)."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from math import isfinite

from optimizer.errors import PolicyError

VIEW_TYPES = ("absolute", "relative")
VIEW_WEIGHTS = ("market", "equal")


@dataclass(frozen=True)
class MarketView:
    """One opinion on returns.

    assets           absolute: the symbols whose (weighted) return it is about; relative: the first of two
                     against the second, or, with `against`, all of these against all of those
    view_type        "absolute" or "relative"
    expected_return  excess return of the assets, or their lead over the others; fraction per year
    confidence       0 = no effect, 1 = holds exactly (Idzorek 2005)
    against          the other side of a relative view on groups
    weights          inside a group: "market" capitalisation (He & Litterman 1999) or "equal"
    Raises PolicyError for anything else.
    """

    assets: Sequence[str]
    view_type: str
    expected_return: float
    confidence: float
    _: KW_ONLY
    against: Sequence[str] = ()
    weights: str = "market"

    def __post_init__(self) -> None:
        object.__setattr__(self, "assets", _names("assets", self.assets))
        object.__setattr__(self, "against", _names("against", self.against))
        _check_view(self)

    def __str__(self) -> str:
        sides = self.sides
        lead = f"{'+'.join(sides[0])}" + (f" - {'+'.join(sides[1])}" if sides[1] else "")
        return f"{lead} = {self.expected_return:g} (confidence {self.confidence:g})"

    @property
    def sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The symbols held long and those held short by the view's portfolio."""
        if self.view_type == "relative" and not self.against:
            return tuple(self.assets[:1]), tuple(self.assets[1:])
        return tuple(self.assets), tuple(self.against)


def _names(field: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise PolicyError(f"view: {field} is the text {names!r}; give a list of symbols: [{names!r}]")
    return tuple(names)


def _check_view(view: MarketView) -> None:
    if view.view_type not in VIEW_TYPES:
        raise PolicyError(f"view type {view.view_type!r} does not exist; use one of {', '.join(VIEW_TYPES)}")
    if view.weights not in VIEW_WEIGHTS:
        raise PolicyError(f"view weights {view.weights!r} do not exist; use one of {', '.join(VIEW_WEIGHTS)}")
    named = [*view.assets, *view.against]
    if not view.assets or len(set(named)) < len(named):
        raise PolicyError(f"view on {named}: name at least one asset, and each once")
    if view.view_type == "absolute" and view.against:
        raise PolicyError(f"view on {named}: an absolute view takes no `against`; drop it or say relative")
    if view.view_type == "relative" and not view.against and len(view.assets) != 2:
        raise PolicyError(
            f"view on {named}: a relative view compares two assets; put the other group in `against`"
        )
    if not isfinite(view.expected_return) or abs(view.expected_return) > 5:
        raise PolicyError(f"view {named}: expected_return is {view.expected_return}; write 0.02 for 2%")
    if not (isfinite(view.confidence) and 0 <= view.confidence <= 1):
        raise PolicyError(f"view {named}: confidence is {view.confidence}; it must lie in [0, 1]")
