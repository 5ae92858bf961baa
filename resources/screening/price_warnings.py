"""What is kept but worth a look: moves off the market, reversals, stale closes, missing sessions."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optimizer.errors import how_many
from optimizer.typing import Array
from resources.prices.factors import PRINT_ERROR
from resources.prices.series import Days, Ints, Mask, Series
from resources.prices.source import Finding

CROSS_SECTION = 20  # symbols a day needs for a median that means the market
YEAR = 250  # rows that show what is usual for a symbol


@dataclass(frozen=True)
class WatchLimits:
    """When a row that is kept gets a warning; moves are fractions, measured against the market's median.

    band, band_spreads   a move beyond band, and beyond band_spreads robust deviations of the day's moves
    reversal, day_spreads, own_spreads   the same, also in deviations of the symbol's own moves, when it is
                                         undone the next day
    stale_sessions       sessions without any change
    catch_up, busy       an unchanged close on `busy` times the usual volume, after which the price moves by `catch_up`
    adjustment           difference between the vendor's return and ours
    reuse_sessions       sessions without a price after which a symbol may be another company's
    """

    band: float = 0.30
    band_spreads: float = 10.0
    reversal: float = 0.12
    day_spreads: float = 5.0
    own_spreads: float = 8.0
    stale_sessions: int = 5
    catch_up: float = 0.03
    busy: float = 3.0
    adjustment: float = 0.005
    reuse_sessions: int = 126


def watch(
    series: Series, rows: pa.Table, held: Ints, sessions: Days, limits: WatchLimits
) -> Iterator[Finding]:
    """Warnings, one a code and symbol; sessions (s,) are the exchange's days since 1970, ascending.

    held  places in the series of rows that are set aside already
    """
    excess, spread = market_excess(series, min(limits.band, limits.reversal) / 2)
    excess[held] = 0.0
    told = partial(_by_symbol, series)
    band = np.abs(excess) > np.maximum(limits.band, limits.band_spreads * spread)
    yield from told(band, "JUMP_BAND", "move", f"of more than {limits.band:.0%} against the market")
    back = reversals(series, excess, spread, limits)
    yield from told(back, "REVERSAL", "move", "that the next session undid: bad prints?")
    still = stale(series, rows, limits.stale_sessions)
    said = f"unchanged for {limits.stale_sessions} sessions with no volume or the same one"
    yield from told(still, "STALE_5", "close", said)
    again = stale_prints(series, rows, limits)
    said = "repeated on a busy day, and caught up with the next: the day before's print?"
    yield from told(again, "STALE_PRINT", "close", said)
    odd = inconsistent(series, rows, limits.adjustment)
    said = "whose adjusted close disagrees with dividend and split"
    yield from told(odd, "ADJ_INCONSISTENT", "day", said)
    yield from untold_actions(series, rows)
    gap = session_gaps(series, sessions)
    yield from missing_sessions(series, gap)
    said = f"after {limits.reuse_sessions} sessions or more without a price: another company's symbol now?"
    yield from told(gap >= limits.reuse_sessions, "TICKER_REUSE", "return", said)


def market_excess(series: Series, quiet: float) -> tuple[Array, Array]:
    """(excess, spread), (n,) each: a move less the day's median move, and 1.4826 x the day's median |excess|.

    Days with fewer than `CROSS_SECTION` symbols, or without a move beyond `quiet`, have median and spread 0.
    """
    excess, spread = np.nan_to_num(series.growth - 1), np.zeros(len(series))
    if len(series) < CROSS_SECTION:
        return excess, spread
    offset = series.days - series.days.min()
    lively = np.zeros(int(offset.max()) + 1, bool)
    lively[offset[np.abs(excess) > quiet]] = True
    places = np.flatnonzero(lively[offset])
    offset = offset[places]
    radix = offset.astype(np.uint16) if len(lively) <= 1 << 16 else offset
    by_day = np.argsort(radix, kind="stable")
    starts = np.flatnonzero(np.diff(offset[by_day], prepend=-1))
    for day in np.split(places[by_day], starts[1:]):
        if len(day) >= CROSS_SECTION:
            off = excess[day] - np.median(excess[day])
            excess[day] = off
            spread[day] = 1.4826 * np.median(np.abs(off))
    return excess, spread


def reversals(series: Series, excess: Array, spread: Array, limits: WatchLimits) -> Mask:
    """Rows (n,) with a large move for symbol and day, of which the next row undoes three quarters or more."""
    suspect = np.flatnonzero(
        np.abs(excess[:-1]) > np.maximum(limits.reversal, limits.day_spreads * spread[:-1])
    )
    suspect = suspect[~series.first[suspect + 1]]
    now, then = excess[suspect], excess[suspect + 1]
    suspect = suspect[(now * then < 0) & (np.abs(now + then + now * then) < 0.25 * np.abs(now))]
    found = np.zeros(len(series), bool)
    bounds = series.bounds()
    for place in suspect:
        symbol = int(np.searchsorted(bounds, place, side="right")) - 1
        own = 1.4826 * np.median(np.abs(excess[bounds[symbol] : bounds[symbol + 1]]))
        found[place] = abs(excess[place]) > limits.own_spreads * own
    return found


def stale(series: Series, rows: pa.Table, sessions: int) -> Mask:
    """Rows (n,) that end a run of `sessions` unchanged closes, with volume absent, 0 or the same."""
    same = (
        np.concatenate([[False], (np.diff(series.close) == 0) & ~series.first[1:]])
        if len(series)
        else series.first
    )
    places = np.flatnonzero(same)
    if not len(places):
        return same
    usual = _often(series, same)
    volume = rows["volume"]
    now = volume.take(pa.array(series.order[places])).to_numpy()
    before = volume.take(pa.array(series.order[places - 1])).to_numpy()
    same[places] = np.isnan(now.astype(np.float64)) | (now == 0) | (now == before)
    places = np.flatnonzero(same)
    run = np.arange(len(places)) - places
    starts = np.concatenate([[0], np.flatnonzero(np.diff(run)) + 1]) if len(places) else places
    length = np.arange(len(places)) - np.repeat(starts, np.diff(np.append(starts, len(places)))) + 1
    ends = np.zeros(len(series), bool)
    ends[places[length == sessions]] = True
    return ends & ~usual


def _often(series: Series, flagged: Mask) -> Mask:
    """Rows (n,) of symbols with a year of rows of which a tenth are flagged: nothing unusual for them (a bill fund)."""
    bounds = series.bounds()
    rows = np.diff(bounds)
    often = (rows >= YEAR) & (np.add.reduceat(flagged.astype(np.int64), bounds[:-1]) > rows / 10)
    return np.repeat(often, rows)


def stale_prints(series: Series, rows: pa.Table, limits: WatchLimits) -> Mask:
    """Rows (n,) with the close of the day before on much volume, whose next row makes up for it.

    Usual volume is the median of the 20 rows before; fewer than 10 of them say nothing.
    """
    found = np.zeros(len(series), bool)
    same = np.flatnonzero((series.growth[:-1] == 1) & (series.split[:-1] == 1) & ~series.first[:-1])
    same = same[~series.first[same + 1] & (np.abs(series.growth[same + 1] - 1) > limits.catch_up)]
    starts = series.bounds()
    for place in same:
        start = int(starts[np.searchsorted(starts, place, side="right") - 1])
        before = rows["volume"].take(pa.array(series.order[max(start, place - 20) : place + 1]))
        volume = before.to_numpy(zero_copy_only=False).astype(float)
        usual = np.median(volume[:-1]) if len(volume) > 10 else np.nan
        found[place] = volume[-1] > limits.busy * usual > 0
    return found


def inconsistent(series: Series, rows: pa.Table, tolerance: float) -> Mask:
    """Rows (n,) where the vendor's adjusted close moves otherwise than close, dividend and split say.

    Vendors reinvest a dividend at the day's close, or take it off the close before: either is consistent.
    """
    column = rows["vendor_adj_close"]
    if column.null_count == len(column):
        return np.zeros(len(series), bool)
    adjusted = column.to_numpy()[series.order]
    different = np.zeros(len(series), bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        theirs = adjusted[1:] / adjusted[:-1]
        off = np.abs(theirs - series.growth[1:])
        # Where growth alone agrees, as on nearly all days, the rest need not be known.
        at = np.flatnonzero(((off > tolerance) | (adjusted[1:] < 0)) & ~series.first[1:]) + 1
        taken_off = series.close[at] * series.split[at] / (series.previous[at] - series.dividend[at])
        allowed = tolerance + 4 * PRINT_ERROR / adjusted[at]
        different[at] = np.minimum(off[at - 1], np.abs(theirs[at - 1] - taken_off)) > allowed
    return different


def untold_actions(series: Series, rows: pa.Table) -> Iterator[Finding]:
    """A warning for new days whose adjusted close has no day before it in the file to be compared with."""
    news = np.flatnonzero(series.first & (series.previous_day < series.days) & np.isfinite(series.previous))
    row = rows.select(["dividend", "vendor_adj_close"]).take(pa.array(series.order[news]))
    untold = pc.and_(pc.is_null(row["dividend"]), pc.is_valid(row["vendor_adj_close"]))
    places = news[untold.to_numpy(zero_copy_only=False)]
    if len(places):
        names = [series.symbols[code] for code in series.codes[places]]
        day = series.days[places[0]].astype("datetime64[D]").item()
        said = f"without the day before come {', '.join(names[:10])}{' …' if len(names) > 10 else ''}"
        said += f": a dividend or split of {day} is not known"
        yield Finding("ACTION_UNKNOWN", "WARN", said, len(places), names[0], day)


def session_gaps(series: Series, sessions: Days) -> Ints:
    """(n,) sessions between each row and the one before it, here or on record."""
    position = np.searchsorted(sessions, series.days)
    gap = np.diff(position, prepend=0) - 1
    before = np.searchsorted(sessions, series.previous_day[series.first])
    gap[series.first] = position[series.first] - before - 1
    gaps: Ints = np.maximum(gap, 0)
    return gaps


def missing_sessions(series: Series, gap: Ints) -> Iterator[Finding]:
    """One finding for each symbol that lacks sessions between its last one on record and its last row here."""
    for place, count in _sums(series, gap):
        symbol, day = series.symbols[series.codes[place]], series.days[place].astype("datetime64[D]").item()
        said = f"{symbol} lacks {how_many(count, 'session')}, the first of them before {day}"
        yield Finding("MISSING_SESSION", "WARN", said, count, symbol, day)


def _by_symbol(series: Series, flagged: Mask, code: str, one: str, of: str) -> Iterator[Finding]:
    """A finding a symbol: how many of `one` there are, and what `of` them."""
    for place, count in _sums(series, flagged.astype(np.int64)):
        symbol, day = series.symbols[series.codes[place]], series.days[place].astype("datetime64[D]").item()
        said = f"{symbol} has {how_many(count, one)} {of}; the first on {day}"
        yield Finding(code, "WARN", said, count, symbol, day)


def _sums(series: Series, counts: Ints) -> Iterator[tuple[int, int]]:
    """(place of the first, sum) of the counts of each symbol that has any."""
    places = np.flatnonzero(counts)
    if not len(places):
        return
    starts = np.concatenate([[0], np.flatnonzero(np.diff(series.codes[places])) + 1])
    yield from zip(places[starts].tolist(), np.add.reduceat(counts[places], starts).tolist(), strict=True)
