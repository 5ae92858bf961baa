"""The closed vocabulary of corporate actions: what each kind states, and what is wrong with a statement."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from optimizer.errors import DataError, asked, nearest
from optimizer.model.portfolio import exact


@dataclass(frozen=True)
class Kind:
    """What an action of one kind states.

    value  what its number means; "" where it states none
    least  the least value; `above` says that it must be larger
    needs  the fields it cannot do without;  may  those it may state besides
    rank   its place among the actions of one day
    """

    value: str
    needs: tuple[str, ...] = ("value",)
    may: tuple[str, ...] = ()
    above: bool = True
    rank: int = 1

    @property
    def known(self) -> tuple[str, ...]:
        """All fields that it may state."""
        return self.needs + self.may


CASH, RATIO, LIEU = "cash per share", "shares of new_symbol per share", "cash_in_lieu"
KINDS = {
    "rename": Kind("", ("new_symbol",), rank=0),
    "dividend": Kind(CASH, above=False),
    "special_dividend": Kind(CASH, above=False),
    "return_of_capital": Kind(CASH, above=False),
    "split": Kind("shares after per share before", may=(LIEU,), rank=2),
    "stock_dividend": Kind("new shares per share held", may=(LIEU,), above=False, rank=2),
    "spin_off": Kind(RATIO, ("value", "new_symbol"), (LIEU, "basis_share"), rank=3),
    "merger": Kind(f"{RATIO}, beside or instead of cash", (), ("value", "new_symbol", "cash", LIEU), rank=4),
    "delisting": Kind(f"{CASH}, 0 when it is worthless", above=False, rank=5),
}
CASH_KINDS = ("dividend", "special_dividend", "return_of_capital")
ENDS = ("merger", "delisting")


@dataclass(frozen=True)
class CorporateAction:
    """One action, checked at birth; DataError says what is wrong with it.

    symbol        whose shares;  day  the first on which prices and holdings are those after it
    value         see `KINDS`;  cash  per share, of a merger, in `currency`
    new_symbol    what a holder gets, or the new name
    cash_in_lieu  paid for each whole share's worth of fractions; None: fractions are kept
    basis_share   part of the cost that goes over to what is spun off, a fraction; None: by the first prices
    currency      of all its cash; None: that of the share's prices

    >>> CorporateAction('A', date(2024, 3, 1), 'split', 3).ratio
    Fraction(3, 1)
    """

    symbol: str
    day: date
    kind: str
    value: float | None = None
    new_symbol: str | None = None
    cash: float | None = None
    cash_in_lieu: float | None = None
    basis_share: float | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        stated = {field.name: getattr(self, field.name) for field in fields(self)}
        if wrong := [said for _, said in action_faults(self.kind, stated)]:
            raise DataError(f"{self.symbol} on {self.day}: {'; '.join(wrong)}")

    @property
    def ratio(self) -> Fraction:
        """Shares afterwards for one before; 1 where their number stays."""
        if self.kind == "stock_dividend":
            return 1 + share_ratio(self.value or 0.0)
        return share_ratio(self.value or 0.0) if self.kind in ("split", "spin_off", "merger") else Fraction(1)

    @property
    def per_share(self) -> Decimal:
        """Cash per share held before, in `currency`."""
        paid = self.value if self.kind in (*CASH_KINDS, "delisting") else self.cash
        return exact(paid or 0.0)

    def __str__(self) -> str:
        got = [f"{self.value:g}"] if self.value is not None else []
        got += [self.new_symbol] if self.new_symbol else []
        got += [f"{self.cash:g} in cash"] if self.cash else []
        return f"{self.symbol} {self.kind.replace('_', ' ')} of {self.day}: {' '.join(got)}"


Place = tuple[date, int, int, str, str]


def places(actions: Iterable[CorporateAction]) -> Callable[[CorporateAction], Place]:
    """An action's place among some, to sort by; what is renamed on one day has one place: it is renamed at once.

    Of one day and rank, what gives shares comes before what befalls those shares, whatever their names.
    Raises DataError for spin-offs or mergers of one day that give each other's shares in a circle.
    """
    givers: dict[tuple[date, int, str], set[str]] = {}
    for one in actions:
        if one.new_symbol and one.kind != "rename":
            givers.setdefault((one.day, KINDS[one.kind].rank, one.new_symbol), set()).add(one.symbol)

    def steps(day: date, rank: int, symbol: str, after: tuple[str, ...] = ()) -> int:
        """How many actions lead to the shares of a symbol, at most."""
        if symbol in after:
            circle = sorted(after[after.index(symbol) :])
            raise DataError(
                f"{', '.join(circle[:-1])} and {circle[-1]} give each other's shares on {day}: what a holder of one "
                f"gets cannot be told; correct corporate_actions.csv, or take one of them back (withdrawn: true)"
            )
        before = givers.get((day, rank, symbol), ())
        return max((1 + steps(day, rank, giver, (*after, symbol)) for giver in before), default=0)

    for told in givers:
        steps(*told)

    def place(action: CorporateAction) -> Place:
        rank = KINDS[action.kind].rank
        if action.kind == "rename":
            return action.day, rank, 0, "", ""
        return action.day, rank, steps(action.day, rank, action.symbol), action.symbol, action.kind

    return place


def action_faults(kind: str, stated: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, what is wrong and what must be) of an action as stated; `stated` maps fields to values or None."""
    if kind not in KINDS:
        near = nearest_kind(kind)
        hint = f"; {asked([near])}" if near else ""
        yield "kind", f"kind is {kind!r}; it must be one of {', '.join(KINDS)}{hint}"
        return
    rule = KINDS[kind]
    given = [name for name in ("value", "new_symbol", "cash", LIEU, "basis_share") if _is_given(stated, name)]
    for name in rule.needs:
        if name not in given:
            yield (
                name,
                f"a {kind} needs its {name}: {rule.value if name == 'value' else 'a symbol'}; it is empty",
            )
    for name in given:
        if name not in rule.known:
            yield name, f"a {kind} has no {name}; leave it empty, it may have {', '.join(rule.known)}"
        elif name != "new_symbol":
            yield from _number_faults(kind, name, float(stated[name]))
    if kind == "merger" and ("value" in given) != ("new_symbol" in given):
        yield "new_symbol", "a merger paid in shares needs both value and new_symbol"
    if kind == "merger" and not {"value", "cash"} & set(given):
        yield "value", "a merger needs what is paid: value and new_symbol, or cash, or all three"
    if stated.get("new_symbol") == stated.get("symbol") and "new_symbol" in given:
        yield "new_symbol", f"new_symbol is {stated['new_symbol']}, the symbol itself; state the other one"


def _is_given(stated: Mapping[str, Any], name: str) -> bool:
    value = stated.get(name)
    return value not in (None, "") and value == value  # NaN is empty


def _number_faults(kind: str, name: str, number: float) -> Iterator[tuple[str, str]]:
    above = name == "cash" or (name == "value" and KINDS[kind].above)
    most = 1.0 if name == "basis_share" else float("inf")
    if number < 0 or (above and number == 0) or not number < most:
        meaning = f": {KINDS[kind].value}" if name == "value" else ""
        least = "above 0" if above else "0 or more"
        yield name, f"{name} of a {kind} is {number:g}; it must be {least} and below {most:g}{meaning}"


def nearest_kind(word: str) -> str | None:
    """The kind that a word most likely means: `stock_split` -> split, `Spin-Off` -> spin_off."""
    said = word.strip().lower().replace("-", "_").replace(" ", "_")
    held = [kind for kind in KINDS if kind in said or kind.replace("_", "") == said.replace("_", "")]
    return max(held, key=len) if held else next(iter(nearest(said, KINDS)), None)


def share_ratio(value: float) -> Fraction:
    """The ratio that a printed number stands for: 0.33333333 is 1/3, 0.0052631579 is 1/190, 1.5 is 3/2.

    A number of d digits is a fraction p/q that rounds to it when p x q <= 6 x 10^(d-3): 0.333, 0.667 and 0.167 are the
    shortest. Few numbers look like such a fraction by chance. Any other number is what it says.
    """
    told = exact(value).normalize()
    digits, plain = len(told.as_tuple().digits), Fraction(told)
    most = 6 * 10 ** (digits - 3) if digits > 2 else 0
    for bound in (10, 100, 1_000, 10_000, 100_000):
        near = plain.limit_denominator(bound) or plain
        rounded = Decimal(f"{near.numerator / near.denominator:.{digits}g}").normalize()
        if near.numerator * near.denominator <= most and rounded == told:
            return near
    return plain


def scaled(quantity: Decimal, ratio: Fraction) -> Decimal:
    """Quantity x ratio; 300 x 1/3 is 100."""
    return quantity * ratio.numerator / ratio.denominator
