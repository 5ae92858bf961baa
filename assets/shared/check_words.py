"""What a check found, as a sentence: Dagster shows it beside the check's name."""

from collections.abc import Mapping, Sequence

NAMED = 3


def found(wrong: Mapping[str, object] | Sequence[str], right: str, fault: str, most: int = NAMED) -> str:
    """The sentence `right` where nothing is wrong; else how many `fault`, and the first `most` with their reasons.

    >>> found({"book": "no price of AAA"}, "All is well.", "without an answer")
    '1 without an answer: book: no price of AAA'
    """
    if not wrong:
        return right
    told = (
        [f"{name}: {reason}" for name, reason in wrong.items()] if isinstance(wrong, Mapping) else list(wrong)
    )
    more = f"; and {len(told) - most} more" if len(told) > most else ""
    return f"{len(told)} {fault}: {'; '.join(told[:most])}{more}"
