"""Capital gains that funds pay, which Yahoo tells in a column beside dividends."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from resources.prices.source import FileRejected
from resources.prices.vendors.rewriting import Change, fail

GAINS = "capital_gains"
IN_BOTH = (
    "Capital Gains of {} beside Dividends of {}: Yahoo often counts them in both; name Capital Gains under "
    "ignore_columns of the source where it does, or else add them to Dividends"
)


def with_gains(change: Change, pairs: Mapping[int, int], width: int, name: str, dropped: int = 0) -> Change:
    """As `change`, with the gains of a fund among its dividends, and without their own column.

    pairs    place of the gains -> place of the same fund's dividends
    width    of the table, in columns
    dropped  lines of the payload that stand no more above
    Raises FileRejected where the dividends may count them already.
    """
    if not pairs:
        return change

    def changed(line: int, given: list[str]) -> list[str]:
        cells = [*change(line, given)]
        if len(cells) != width:
            said = f"{len(cells)} cells where the header has {width}"
            raise FileRejected(name, [fail("COLUMN_COUNT", said, line + dropped)])
        for gains, dividends in pairs.items() if line > 1 else ():
            cells[dividends] = _in_all(cells[gains], cells[dividends], name, line + dropped)
        return [cell for place, cell in enumerate(cells) if place not in pairs]

    return changed


def _in_all(gains: str, dividends: str, name: str, line: int) -> str:
    """What a fund pays on a day: dividends that are less than the gains can not count them."""
    try:
        more, told = (Decimal(cell or "0") for cell in (gains, dividends))
        in_both = 0 < more <= told
    except InvalidOperation:
        said = f"Dividends {dividends!r} and Capital Gains {gains!r}: write plain numbers such as 1234.5"
        raise FileRejected(name, [fail("BAD_NUMBER", said, line)]) from None
    if in_both:
        raise FileRejected(name, [fail("AMBIGUOUS_DIVIDEND", IN_BOTH.format(gains, dividends), line)])
    return str(told + more) if more else dividends
