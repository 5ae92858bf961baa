"""Errors grouped by who can act on them; each message says what is, what must be, and what to do."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import floor, inf, isfinite, log10

MOST_NAMED = 20
MOST_NEAR, LEAST_LIKE = 3, 0.6
MOST_COMPARED = 200_000  # pairs of names: seconds


def nearest(wanted: str, known: Iterable[str]) -> list[str]:
    """The known names, at most three, that a name may stand for, the likeliest first; letters and digits alone count.

    >>> nearest('brkb', ['BRK.A', 'BRK.B', 'QQQ'])
    ['BRK.B', 'BRK.A']
    """
    plain: dict[str, list[str]] = {}
    for name in dict.fromkeys(known):
        plain.setdefault(_plain(name), []).append(name)
    found = get_close_matches(_plain(wanted), plain, MOST_NEAR, LEAST_LIKE)
    return [name for like in found for name in plain[like]][:MOST_NEAR]


def nearest_of_each(wanted: Collection[str], known: Sequence[str]) -> dict[str, list[str]]:
    """The nearest of each of many names.

    Of names that are far too many to be slips of a pen the last are given none: to compare all would take hours.

    >>> nearest_of_each(['APPL', 'ZZZ'], ['AAPL', 'MSFT'])
    {'APPL': ['AAPL'], 'ZZZ': []}
    """
    looked = max(MOST_COMPARED // max(len(known), 1), 1)
    return {name: nearest(name, known) if place < looked else [] for place, name in enumerate(wanted)}


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def asked(near: Sequence[str], otherwise: str = "") -> str:
    """The question whether one of the near names is meant; `otherwise` where there is none.

    >>> asked(['SPY', 'SPX'])
    'did you mean SPY or SPX?'
    """
    return f"did you mean {' or '.join(near)}?" if near else otherwise


def meant(wanted: str, known: Iterable[str]) -> str:
    """What an unknown name may have meant; where none is near, the names there are, at most twenty.

    >>> meant('us-equty', ['leverage-aware', 'us-equity'])
    'did you mean us-equity?'
    """
    names = list(dict.fromkeys(known))
    if near := nearest(wanted, names):
        return asked(near)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(names[:MOST_NAMED]) or 'none'}{more}"


def strange(unknown: Collection[object], known: Sequence[object], otherwise: str = "") -> str:
    """What is said of names that are none of the known symbols: the near ones, else the remedy or those that there are.

    >>> strange(['APPL', 'MSTF'], ['AAPL', 'MSFT'])
    'APPL, MSTF, not among the 2 symbols; did you mean AAPL or MSFT?'
    """
    told, names = sorted(map(str, unknown)), [*map(str, known)]
    near = dict.fromkeys(name for like in nearest_of_each(told, names).values() for name in like)
    remedy = asked([*near][:MOST_NEAR], otherwise or meant("", names))
    return f"{', '.join(told)}, not among the {len(known)} symbols; {remedy}"


def one_of(wanted: str, known: Iterable[str]) -> str:
    """All names of a closed list, and which of them an unknown one may have meant.

    >>> one_of('emwa', ['sample', 'ewma'])
    'use one of sample, ewma; did you mean ewma?'
    """
    names = list(known)
    near = asked(nearest(wanted, names))
    return f"use one of {', '.join(names)}{'; ' if near else ''}{near}"


def how_many(number: int, what: str) -> str:
    """A number of things.

    >>> how_many(1, 'file'), how_many(1490, 'new row')
    ('1 file', '1,490 new rows')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def some_of(names: Sequence[str], most: int = 5) -> str:
    """The first of many names, and how many are not named.

    >>> some_of(["A", "B", "C"], 2), some_of(["A", "B"], 2)
    ('A, B and 1 more', 'A, B')
    """
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


class PackfolioError(Exception):
    """Base of every error that Packfolio raises on purpose.

    >>> issubclass(PolicyError, PackfolioError)
    True
    """


class PolicyError(PackfolioError, ValueError):
    """The policy, a view or an argument is wrong; its author must act (HTTP 422).

    >>> try:
    ...     Policy(max_weight=2.0, min_weight=3.0)
    ... except PolicyError as error:
    ...     print(type(error).__name__)
    PolicyError
    """


def check_one_of(what: str, value: object, known: Iterable[str]) -> None:
    """Raises PolicyError where a value is none of a closed list of names.

    >>> check_one_of('method', 'ewma', ['sample', 'ewma'])
    """
    names = list(known)
    if not (isinstance(value, str) and value in names):
        raise PolicyError(f"{what} {value!r} does not exist; {one_of(str(value), names)}")


class DataError(PackfolioError, ValueError):
    """Prices, rates or estimates are wrong or missing; their supplier must act (HTTP 409).

    >>> try:
    ...     performance.total_return(np.array([np.nan]))
    ... except DataError as error:
    ...     print(error)
    total_return: returns holds nan; each must be a finite number: fill or drop it
    """


@dataclass(frozen=True)
class Conflict:
    """One limit of a conflicting set, and the least change of it that would resolve the conflict.

    limit       name of the limit, as in the policy ("max_weight AAPL", "max_turnover")
    bound       its value now
    relaxation  by how much it must give way if the others of the set stay, in the limit's own unit; infinite where
                that does not help (a cap on names of which too few exist)
    enough      whether all limits of the policy can hold then; False where others conflict or give way as well
    room        what more leaves a choice and not one portfolio alone, where limits are curved; else 0
    unit        printed after the numbers
    most        after which it is no limit: of a sum that no short position can take below 0, all of its bound

    >>> Conflict('max_weight', 0.2, 0.14).limit
    'max_weight'
    """

    limit: str
    bound: float
    relaxation: float
    enough: bool = True
    room: float = 0.0
    unit: str = ""
    most: float = inf

    @property
    def stated(self) -> float:
        """What a message says: relaxation and room, rounded up so that with the bound as printed it is enough."""
        enough = rounded_up(self.relaxation + self.room + abs(float(f"{self.bound:g}") - self.bound))
        return min(enough, self.most)

    def __str__(self) -> str:
        bound, amount = f"{self.bound:g}{self.unit}", f"{self.stated:.4g}{self.unit}"
        if self.stated == self.most:  # to as many digits as the bound, of which it is all
            amount = f"{self.most:g}{self.unit}"
        return f"{self.limit} is {bound} and must give way by {amount}"


def rounded_up(amount: float) -> float:
    """The next number of four digits that is not less by more than solvers tell apart."""
    near = float(f"{amount:.4g}")
    if not isfinite(amount) or near >= amount - 1e-10:
        return near
    return float(f"{near + 10.0 ** (floor(log10(amount)) - 3):.4g}")


class InfeasibleError(PackfolioError):
    """The limits contradict each other; someone must relax one of those named (HTTP 409).

    conflicts  the limits of one smallest conflict
    ways       sets of limits whose giving way together makes a portfolio possible, the smallest first; up to three
               where no limit is enough alone

    >>> try:
    ...     solve(estimates, Policy(method='min_volatility', max_weight=0.2), universe)
    ... except InfeasibleError as error:
    ...     print(len(error.conflicts) > 0)
    True
    """

    def __init__(
        self, message: str, conflicts: tuple[Conflict, ...] = (), ways: tuple[tuple[Conflict, ...], ...] = ()
    ) -> None:
        super().__init__(message)
        self.conflicts = conflicts
        self.ways = ways

    @classmethod
    def of(cls, conflicts: tuple[Conflict, ...], ways: tuple[tuple[Conflict, ...], ...]) -> "InfeasibleError":
        """The error that says what to relax."""
        together = " or else ".join(" and ".join(map(str, way)) for way in ways)
        if any(conflict.enough for way in ways for conflict in way):
            told = f"relax one of: {'; '.join(str(conflict) for way in ways for conflict in way)}"
        else:
            finite = [str(c) for c in conflicts if isfinite(c.relaxation) and c.limit != "long_only"]
            ends = f"{'; or '.join(finite)} for one conflict to end"
            told = f"{ends if finite else 'no single limit ends the conflict'}; then other limits conflict as well"
            told += f"; relax together: {together}" if ways else ""
        return cls(f"no portfolio keeps all limits; {told}", conflicts, ways)

    def along(
        self, whole: tuple[tuple[Conflict, ...], ...], joined: tuple[tuple[Conflict, ...], ...]
    ) -> "InfeasibleError":
        """The same conflict with those of its ways out that lead on, else with those that need more beside them."""
        alone = {way[0].limit for way in whole if len(way) == 1}
        conflicts = tuple(replace(one, enough=one.enough and one.limit in alone) for one in self.conflicts)
        return InfeasibleError.of(conflicts, whole or joined)


class SolverError(PackfolioError):
    """No solver gave an answer that its certificate confirms; we must act (HTTP 500).

    >>> issubclass(SolverError, PackfolioError)
    True
    """
