"""Splits that a price row does not state: those of the corporate actions, and of its adjusted close."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import prod

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optimizer.typing import Array
from resources.prices.factors import nearest_split
from resources.prices.rounding import significant
from resources.prices.series import Ints, Record, Series, make_series
from resources.prices.source import Delivery, Finding
from resources.screening.corroboration import Evidence, alike
from resources.screening.doubts import SPLITS
from resources.screening.merged import Merged, with_column

LATE = 7  # days from an action without a row of its own within which a row may state the same split itself
NEAR = 0.002  # of a simple ratio, relative: what an adjusted close and a dividend beside it leave
Key = tuple[str, int]
Several = Mapping[Key, tuple[float, ...]]
SAME_RATIO = 1e-3  # relative; of two splits that are one
SAME_GIFT = 1e-6  # relative; the log keeps eight digits


def explained(
    merged: Merged,
    series: Series,
    splits: Mapping[Key, float],
    from_actions: Collection[Key],
    delivery: Delivery,
    several: Several,
) -> tuple[pa.Table, list[Finding]]:
    """The rows with the splits that only the corporate actions know, and a warning for each that is new, or doubtful.

    from_actions  (symbol, day) of rows on record whose split is an action's;  several  as in `Context`
    An action on a day without a row belongs to the next one, however long that takes, unless a row near it states the
    split itself; of one row all of them count. Where a row came in that is nearer, the later one has it no more.
    """
    if not splits:
        return merged.rows, []
    own = _own_splits(merged, series, from_actions, delivery)
    found: dict[int, float] = {}
    stated = [(key, place) for key, place in places(series, splits) if splits[key] != 1]
    given = [
        (key, place)
        for key, place in stated
        if not _states_itself(series, own, place, key[1])
        or (key[1] == series.days[place] and _is_part(own[place], splits[key], several.get(key, ())))
    ]
    for key, place in given:
        found[place] = found.get(place, 1.0) * splits[key]
    for place in np.flatnonzero(own != series.split).tolist():
        found.setdefault(place, 1.0)
    found = {
        place: ratio
        for place, ratio in found.items()
        if not np.isclose(ratio, series.split[place], SAME_GIFT, 0)
    }
    warnings: list[Finding] = []
    for (symbol, day), place in given:
        if place in found:
            when = np.datetime64(int(series.days[place]), "D").item()
            said = f"{symbol} splits {splits[symbol, day]:g}:1 on {when} by the corporate actions"
            said += "; the file does not say so"
            warnings.append(Finding("SPLIT_FROM_ACTION", "WARN", said, 1, symbol, when))
    told = [one for one in stated if series.order[one[1]] < merged.delivered]
    warnings += _questions(series, told, own, splits, several)
    return _with(merged.rows, series, "split", found), warnings


def together(ratios: Sequence[float]) -> float:
    """What the splits and stock dividends stated of a day come to: one that is stated as both kinds counts once."""
    return ratios[0] if _as_both(ratios) else prod(ratios)


def _as_both(ratios: Sequence[float]) -> bool:
    return len(ratios) > 1 and ratios[0] != 1 and _is_one(ratios[0], ratios[1:])


def _is_part(ratio: float, whole: float, stated: Sequence[float]) -> bool:
    return _is_one(ratio, stated) and not _is_one(ratio, [whole])


def _is_one(ratio: float, stated: Iterable[float]) -> bool:
    return any(abs(ratio / one - 1) <= SAME_RATIO for one in stated)


def _questions(
    series: Series,
    stated: Iterable[tuple[Key, int]],
    own: Array,
    splits: Mapping[Key, float],
    several: Several,
) -> Iterator[Finding]:
    """A warning for each row that states another split than the actions which reach it, and for each action told as
    two kinds."""
    reach = defaultdict[int, list[Key]](list)
    for key, place in stated:
        reach[place].append(key)
    for place, keys in reach.items():
        symbol, when = keys[0][0], np.datetime64(int(series.days[place]), "D").item()
        said, ratio = float(own[place]), prod(splits[key] for key in keys)
        known = [one for key in keys for one in several.get(key, ())]
        if said != 1 and not _is_one(said, [ratio, *known]):
            text = (
                f"{symbol} splits {said:g}:1 on {when} by the file and {ratio:g}:1 by the corporate actions: prices "
                "keep that of the file; correct one of them, or state split and stock dividend where it had both"
            )
            yield Finding("SPLIT_CONTRADICTED", "WARN", text, 1, symbol, when)
        for key in keys:
            if _as_both(several.get(key, ())):
                day = np.datetime64(key[1], "D").item()
                text = (
                    f"{symbol} has a split and a stock dividend of {splits[key]:g}:1 on {day} by the corporate "
                    f"actions: they count once; withdraw one, or state one of {splits[key] ** 2:g}:1 if both are true"
                )
                yield Finding("SPLIT_TOLD_TWICE", "WARN", text, 1, symbol, day)


def _own_splits(merged: Merged, series: Series, from_actions: Collection[Key], delivery: Delivery) -> Array:
    """The split (n,) of each row besides what actions gave it; of a first row it is not known which those were."""
    told = np.zeros(len(merged.rows), bool)
    told[: merged.delivered] = pc.is_valid(delivery.rows["split"]).to_numpy()
    own = series.split.copy()
    for (_, day), place in places(series, from_actions):
        if day == series.days[place] and follows(series, place) and not told[series.order[place]]:
            own[place] = 1.0
    return own


def _states_itself(series: Series, own: Array, place: int, day: int) -> bool:
    """Whether the row of an action's day states a split itself; where there is none, a row near it or the next."""
    if series.days[place] == day:
        return bool(own[place] != 1)
    start, end = np.searchsorted(series.codes, series.codes[place] + np.array([0, 1]))
    near = np.abs(series.days[start:end] - day) <= LATE
    near[place - start] = True
    return bool((own[start:end][near] != 1).any())


def places(series: Series, keys: Iterable[tuple[str, int]]) -> Iterator[tuple[tuple[str, int], int]]:
    """Each (symbol, day) of `keys` with the place of its row, or of the next one where the row before that is known."""
    starts = series.bounds()
    spans = {series.symbols[series.codes[start]]: (start, end) for start, end in pairwise(starts.tolist())}
    for symbol, day in keys:
        start, end = spans.get(symbol, (0, 0))
        place = start + int(np.searchsorted(series.days[start:end], day))
        if place < end and (series.days[place] == day or series.previous_day[place] < day):
            yield (symbol, day), place


def follows(series: Series, place: int) -> bool:
    """Whether the row before a row is known."""
    return bool(series.previous_day[place] < series.days[place])


def without_taken_back(
    rows: pa.Table, order: Ints, record: Mapping[str, Record], splits: Mapping[tuple[str, int], float]
) -> pa.Table:
    """A delivery's rows (n,); where a split was taken back (it is 1 now) those that cannot know get none."""
    back = [key for key, ratio in splits.items() if ratio == 1]
    if not back or not rows["split"].null_count:
        return rows
    series, untold = make_series(rows, order, record), pc.is_null(rows["split"]).to_numpy()
    found = {place: 1.0 for _, place in places(series, back) if untold[series.order[place]]}
    return _with(rows, series, "split", found)


def told_by_adjusted(rows: pa.Table, series: Series, delivered: int) -> tuple[pa.Table, list[Finding]]:
    """The delivery's rows with the splits that only their adjusted closes tell, and a warning for each.

    The price moves, the adjusted close does not, and the split that makes them agree is a simple one, or the stated
    one with a dividend per new share (ours are per old share).
    """
    if rows["vendor_adj_close"].null_count == len(rows):
        return rows, []
    evidence = Evidence(series, rows, one_base=delivered)
    found, paid, warnings = {}, {}, []
    for place in np.flatnonzero((np.abs(series.growth - 1) > SPLITS) & ~series.first).tolist():
        adjusted, growth = evidence.adjusted_growth(place - 1, place), float(series.growth[place])
        if not (adjusted > 0 and abs(np.log(adjusted)) < abs(np.log(growth)) / 2):
            continue
        dividend, stated = float(series.dividend[place]), float(series.split[place])
        asked = adjusted * float(series.previous[place]) / (float(series.close[place]) + dividend)
        ratio = (
            stated if abs(asked / stated - 1) <= NEAR else float(nearest_split(np.array([asked]), NEAR)[0])
        )
        if not ratio or ratio == 1 or (stated != 1 and ratio != stated) or _returns(series, place):
            continue
        found[place], paid[place] = ratio, dividend * ratio
        symbol = series.symbols[series.codes[place]]
        when = np.datetime64(int(series.days[place]), "D").item()
        said = f"{symbol} splits {ratio:g}:1 on {when} by its adjusted closes"
        said += f", with a dividend of {dividend:g} a new share" if dividend else "; the row states no split"
        warnings.append(Finding("SPLIT_FROM_ADJUSTED", "WARN", said, 1, symbol, when))
    return _with(_with(rows, series, "split", found), series, "dividend", paid), warnings


def _returns(series: Series, place: int) -> bool:
    """Whether the row before or after makes the opposite move: a bad print that the adjusted close left out."""
    beside = [other for other in (place, place + 1) if other < len(series) and not series.first[other]]
    moves = [float(series.close[other] / series.previous[other]) for other in (place - 1, *beside)]
    return any(alike(one, 1 / other) for one, other in pairwise(moves) if one > 0 and other > 0)


def _with(rows: pa.Table, series: Series, name: str, found: Mapping[int, float]) -> pa.Table:
    if not found:
        return rows
    values = rows[name].to_numpy().copy()
    values[series.order[list(found)]] = significant(np.array(list(found.values())))
    return with_column(rows, name, values)
