"""Limits as a desk writes them: "Equity <= 60%", "AAPL + MSFT >= 0.1", "0.1 <= Technology <= 0.3"."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from optimizer.arguments import typed
from optimizer.errors import PolicyError

TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?%?)|(?P<name>(?:[^\W\d]\w*:)*"[^"]+"|[^\W\d][\w.:]*)
    |(?P<compare><=|>=|==|=|<|>)|(?P<sign>[-+*]))""",
    re.VERBOSE,
)
PERCENT_WRITTEN_PLAIN = 10.0  # a bound of ten times NAV is more likely 10%


@dataclass(frozen=True)
class TextLimit:
    """low <= sum of terms[name] x weight of name <= high; numbers are fractions of NAV."""

    text: str
    terms: Mapping[str, float]
    low: float = -inf
    high: float = inf


@dataclass
class _Side:
    """One side of a comparison: names with their factors, and a constant."""

    terms: dict[str, float] = field(default_factory=dict)
    constant: float = 0.0


@typed
def parse_limit(text: str) -> TextLimit:
    """The limit that a line says; PolicyError naming the token that cannot be read, and what may stand there.

    A name is a symbol, a sector, an exposure type, a factor, "cash" or "invested"; with spaces or signs in it, it
    stands in double quotes, behind a colon too. `sector:`, `exposure:`, `factor:` and `symbol:` tell names apart that
    are several of these.

    >>> parse_limit('EQUITY + GOLD <= 60%').high
    0.6
    """
    tokens = _tokens(text)
    places = [i for i, (kind, _) in enumerate(tokens) if kind == "compare"]
    if not 1 <= len(places) <= 2:
        raise PolicyError(
            f"limit {text!r} has {len(places)} comparisons; it needs one (Equity <= 0.6) or two (0.1 <= Equity <= 0.6)"
        )
    edges = [-1, *places, len(tokens)]
    sides = [_side(text, tokens[a + 1 : b]) for a, b in pairwise(edges)]
    signs = [tokens[place][1] for place in places]
    return _limit(text, sides, signs)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            rest = text[at:].lstrip()
            raise PolicyError(
                f"limit {text!r}: cannot read {rest.split()[0]!r} at position {len(text) - len(rest) + 1}; use "
                f"names, numbers, + - * and <= >= =, and put a name with other signs in double quotes"
            )
        found.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    return found


def _side(text: str, tokens: list[tuple[str, str]]) -> _Side:
    """A sum of names, numbers and number x name."""
    side, sign, factor, open_ = _Side(), 1.0, None, True
    for kind, word in [*tokens, ("end", "the end")]:
        if kind == "number" and open_ and factor is None:
            factor, open_ = _number(text, word), False
        elif kind == "sign" and word == "*" and factor is not None and not open_:
            open_ = True
        elif kind == "name" and open_:
            name = word.replace('"', "")
            side.terms[name] = side.terms.get(name, 0.0) + sign * (1.0 if factor is None else factor)
            factor, open_ = None, False
        elif kind == "sign" and word != "*" and (not open_ or (not side.terms and factor is None)):
            side.constant += sign * (factor or 0.0)
            sign, factor, open_ = (-1.0 if word == "-" else 1.0), None, True
        elif kind == "end" and not open_:
            side.constant += sign * (factor or 0.0)
        else:
            wanted = "a name or a number" if open_ else "+, -, * after a number, or a comparison"
            raise PolicyError(f"limit {text!r}: {word!r} stands where {wanted} belongs")
    return side


def _number(text: str, word: str) -> float:
    value = float(word.rstrip("%")) / (100 if word.endswith("%") else 1)
    if abs(value) >= PERCENT_WRITTEN_PLAIN:
        raise PolicyError(
            f"limit {text!r}: {word} is {value:g} times NAV; write {word.rstrip('%')}% for percent, or a fraction"
        )
    return value


def _limit(text: str, sides: list[_Side], signs: list[str]) -> TextLimit:
    if len(sides) == 3:
        outer = [i for i in (0, 2) if sides[i].terms]
        if outer or len({sign.strip("=") for sign in signs}) > 1 or "" in {s.strip("=") for s in signs}:
            raise PolicyError(
                f"limit {text!r}: a range has numbers outside and the same sign twice: 0.1 <= Equity <= 0.6"
            )
    middle = sides[-2] if len(sides) == 3 else sides[0]
    terms = dict(middle.terms)
    low, high = -inf, inf
    comparisons = [(sides[-1], signs[-1])] + ([(sides[0], _turned(signs[0]))] if len(sides) == 3 else [])
    for other, sign in comparisons:
        for name, factor in other.terms.items():
            terms[name] = terms.get(name, 0.0) - factor
        bound = other.constant - middle.constant
        low = bound if sign.startswith((">", "=")) else low
        high = bound if sign.startswith(("<", "=")) else high
    if not any(terms.values()):
        raise PolicyError(f"limit {text!r} names nothing; name a symbol, a sector or an exposure type")
    if low > high:
        raise PolicyError(f"limit {text!r}: the least {low:g} is above the most {high:g}; swap them")
    return TextLimit(text, terms, low, high)


def _turned(sign: str) -> str:
    return sign.translate(str.maketrans("<>", "><"))
