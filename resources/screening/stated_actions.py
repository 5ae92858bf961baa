"""Splits that a price row does not state itself: those of the corporate actions, and those its adjusted close tells."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resources.prices.factors import nearest_split
from resources.prices.rounding import significant
from resources.prices.series import Mask, Record, Series, make_series
from resources.prices.source import Finding
from resources.screening.doubts import SPLITS
from resources.screening.evidence import Evidence, alike
from resources.screening.merged import with_column

LATE = 7  # days by which the row of an action without a row of its own may follow it
NEAR = 0.002  # of a simple ratio, relative: what an adjusted close and a dividend beside it leave


def explained(
    rows: pa.Table,
    series: Series,
    splits: Mapping[tuple[str, int], float],
    from_actions: Collection[tuple[str, int]] = (),
) -> tuple[pa.Table, list[Finding]]:
    """The rows with the splits that only the corporate actions know, and a warning for each.

    from_actions  (symbol, day) of rows on record whose split is an action's
    An action on a day without a row belongs to the next one, unless a row near it states the split itself. Where a row
    came in that is nearer, the later one has no split any more.
    """
    codes = {name: code for code, name in enumerate(series.symbols)}
    bounds = series.bounds()
    firsts = {int(series.codes[place]): index for index, place in enumerate(bounds[:-1])}
    found: dict[int, float] = {}
    warnings: list[Finding] = []
    for (symbol, day), ratio in splits.items():
        index = firsts.get(codes.get(symbol, -1))
        if index is None or ratio == 1:
            continue
        days = series.days[bounds[index] : bounds[index + 1]]
        after = int(np.searchsorted(days, day))
        if after == len(days) or not (days[after] == day or (after and days[after] - day <= LATE)):
            continue
        near = np.abs(days - day) <= (0 if days[after] == day else LATE)
        place = int(bounds[index]) + after
        later = range(place + 1, int(bounds[index]) + int(np.searchsorted(days, day + LATE, side="right")))
        given = [
            other
            for other in later
            if (symbol, int(series.days[other])) in from_actions and np.isclose(series.split[other], ratio)
        ]
        found |= dict.fromkeys(given, 1.0)
        near[np.array(given, dtype=np.int64) - int(bounds[index])] = False
        if (series.split[bounds[index] : bounds[index + 1]][near] != 1).any():
            continue
        found[place] = ratio
        when = np.datetime64(int(series.days[place]), "D").item()
        said = f"{symbol} splits {ratio:g}:1 on {when} by the corporate actions; the file does not say so"
        warnings.append(Finding("SPLIT_FROM_ACTION", "WARN", said, 1, symbol, when))
    return _with(rows, series, "split", found), warnings


def places(series: Series, keys: Iterable[tuple[str, int]]) -> Iterator[tuple[tuple[str, int], int]]:
    """Each (symbol, day) of `keys` with the place of its row, or of the next one where the row before that is known."""
    starts = series.bounds()
    spans = {series.symbols[series.codes[start]]: (start, end) for start, end in pairwise(starts.tolist())}
    for symbol, day in keys:
        start, end = spans.get(symbol, (0, 0))
        place = start + int(np.searchsorted(series.days[start:end], day))
        if place < end and (series.days[place] == day or series.previous_day[place] < day):
            yield (symbol, day), place


def without_taken_back(
    rows: pa.Table, kept: Mask | None, record: Mapping[str, Record], splits: Mapping[tuple[str, int], float]
) -> pa.Table:
    """A delivery's rows (n,); where a split was taken back (it is 1 now) those that cannot know get none."""
    back = [key for key, ratio in splits.items() if ratio == 1]
    if not back or not rows["split"].null_count:
        return rows
    series, untold = make_series(rows, kept, record), pc.is_null(rows["split"]).to_numpy()
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
