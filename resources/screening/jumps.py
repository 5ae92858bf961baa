"""Moves that are doubted: what is set aside until it is explained, confirmed by what follows, or released."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from resources.prices.series import Ints, Mask, Series
from resources.screening.doubts import JUMP_75, NOT_ANSWERED, Held, Judging, Move, doubt, reason, suspects
from resources.screening.merged import Lost


@dataclass(frozen=True)
class Verdicts:
    """What became of a series: rows set aside; place -> (split, dividend) of rows that carry those of others."""

    held: list[Held]
    carried: dict[int, tuple[float, float]]


def judge(series: Series, waiting: Ints, settled: Mask, judging: Judging) -> Verdicts:
    """Which rows are set aside, symbol by symbol, each judged against the last row that is believed.

    waiting  places of rows to be judged whatever their move: they were set aside before, or carry what others stated
    settled  (n,) rows whose move was believed before: they are judged only where something before them is open
    """
    looked = suspects(series, judging.limits) & ~settled
    looked[waiting] = True
    bounds = series.bounds()
    touched = np.unique(np.searchsorted(bounds, np.flatnonzero(looked), side="right") - 1)
    number = {series.symbols[code]: index for index, code in enumerate(series.codes[bounds[:-1]])}
    losing = [number[symbol] for symbol in judging.lost if symbol in number]
    verdicts = Verdicts([], {})
    for index in np.union1d(touched, np.array(losing, dtype=np.int64)):
        rows = range(int(bounds[index]), int(bounds[index + 1]))
        days = set(series.days[rows.start : rows.stop].tolist())
        lost = [
            item
            for item in judging.lost.get(series.symbols[series.codes[rows.start]], ())
            if item.day not in days
        ]
        _Walk(series, judging, verdicts).through(
            rows, np.flatnonzero(looked[rows.start : rows.stop]) + rows.start, lost
        )
    return verdicts


@dataclass(frozen=True)
class _Action:
    """A split and dividend stated on a day: by a row set aside (its place), or by one without a usable price (None).

    doubted  whether the price of its own day did not answer it
    """

    day: int
    split: float
    dividend: float
    place: int | None = None
    doubted: bool = False


class _Stated:
    """Actions in order of their days: what they come to per share held before the first, and whether one is doubted."""

    def __init__(self, actions: Iterable[_Action] = ()) -> None:
        self.actions: list[_Action] = []
        self.split, self.dividend, self.doubted = 1.0, 0.0, False
        for action in actions:
            self.add(action)

    def add(self, action: _Action) -> None:
        """One more, of a later day."""
        self.dividend += self.split * action.dividend
        self.split *= action.split
        self.doubted |= action.doubted
        self.actions.append(action)


class _Walk:
    """One symbol's rows in order: the last believed close, and the new level that waits to be confirmed.

    aside   what rows that are not believed stated since the believed one
    beyond  what they stated after the last row of the new level
    level   rows of the new level, the first with its move from the believed close
    """

    def __init__(self, series: Series, judging: Judging, verdicts: Verdicts) -> None:
        self.series, self.judging, self.verdicts = series, judging, verdicts
        self.base: int | None = None
        self.close, self.day = np.nan, 0
        self.aside, self.beyond = _Stated(), _Stated()
        self.level: list[Held] = []
        self.step = 1.0

    def through(self, rows: range, looked: Ints, lost: Sequence[Lost]) -> None:
        """Judges a symbol's rows; those neither `looked` at nor near something open are believed."""
        series, place = self.series, rows.start
        self.close, self.day = float(series.previous[place]), int(series.previous_day[place])
        waiting = deque(lost)
        while place < rows.stop:
            if not self.level and not self.aside.actions:
                place = self._skip(place, rows.stop, looked, waiting)
            if place < rows.stop:
                self._collect(waiting, int(series.days[place]))
                if np.isnan(series.previous[place]):  # of the next company that has the symbol
                    self._begin()
                self._judge(place)
                place += 1
        self.verdicts.held.extend(self.level)

    def _skip(self, place: int, stop: int, looked: Ints, waiting: deque[Lost]) -> int:
        """The next row that needs a look; those before it are believed."""
        found = looked[np.searchsorted(looked, place) :][:1]
        following = int(found[0]) if len(found) else stop
        days = self.series.days[place:stop]
        if waiting:
            following = min(following, place + int(np.searchsorted(days, waiting[0].day, side="right")))
        if following > place:
            self._stand_on(following - 1)
        return following

    def _collect(self, waiting: deque[Lost], day: int) -> None:
        """What rows without a usable price stated before a day, unless they repeat the row before them."""
        while waiting and waiting[0].day < day:
            item = waiting.popleft()
            repeated = self.base is not None and item.repeats(self.series, self.base)
            if np.isfinite(self.close) and item.day > self.day and not repeated:
                self._state(_Action(item.day, item.split, item.dividend))

    def _judge(self, place: int) -> None:
        if not np.isfinite(self.close):
            self._stand_on(place)
            return
        back, doubted, carried = self._weigh(self.base, self.close, self.day, place, self.aside)
        if not self.level:
            if doubted is None:
                self._believe(place, carried)
            else:
                self._set_aside(place, doubted, back)
            return
        last = self.level[-1].place
        close, day = float(self.series.close[last]), int(self.series.days[last])
        on, off, _ = self._weigh(last, close, day, place, self.beyond)
        if doubted is None and (off or abs(np.log(back.growth)) <= abs(np.log(on.growth))):
            self._leave_level()
            self._believe(place, carried)
        elif off is None:
            self._join(place)
        elif off.code in NOT_ANSWERED:
            self._set_aside(place, off, on)
        else:
            self._leave_level()
            self._set_aside(place, doubted or off, back)

    def _set_aside(self, place: int, doubted: Held, move: Move) -> None:
        """What a row states is doubted alone; a price that is doubted begins a new level."""
        if doubted.code in NOT_ANSWERED:
            self.verdicts.held.append(doubted)
        else:
            self.level, self.step, self.beyond = [doubted], move.growth, _Stated()
        self._keep(place, doubted=doubted.code in NOT_ANSWERED)

    def _join(self, place: int) -> None:
        close = float(self.series.close[place])
        first = self.level[0]
        said = reason(
            first.code, close, self.close, self.step * close / float(self.series.close[first.place])
        )
        self.level.append(Held(place, first.code, said))
        self.beyond = _Stated()
        self._keep(place)
        limits = self.judging.limits
        holds = first.code == JUMP_75 and len(self.level) >= limits.confirmed
        if holds and not self.aside.doubted and abs(np.log(self.step)) <= np.log(limits.level):
            self._confirm()

    def _confirm(self) -> None:
        """The new level is believed: each of its rows carries what rows between it and the one before stated."""
        places = [held.place for held in self.level]
        others = [action for action in self.aside.actions if action.place not in places]
        since = self.day
        for place in places:
            day = int(self.series.days[place])
            carried = [action for action in others if since < action.day < day]
            self._carry(place, _Stated(carried))
            since = day
        self._stand_on(places[-1])
        self.aside, self.level = _Stated(), []

    def _begin(self) -> None:
        self._leave_level()
        self.base, self.close = None, np.nan
        self.aside, self.beyond = _Stated(), _Stated()

    def _leave_level(self) -> None:
        self.verdicts.held.extend(self.level)
        self.level = []

    def _believe(self, place: int, carried: _Stated) -> None:
        self._carry(place, carried)
        self._stand_on(place)
        self.aside = _Stated()

    def _carry(self, place: int, carried: _Stated) -> None:
        if carried.actions:
            self.verdicts.carried[place] = self._total(place, carried)

    def _stand_on(self, place: int) -> None:
        self.base, self.close, self.day = place, float(self.series.close[place]), int(self.series.days[place])

    def _keep(self, place: int, *, doubted: bool = False) -> None:
        split, dividend = float(self.series.split[place]), float(self.series.dividend[place])
        if split != 1 or dividend:
            self._state(_Action(int(self.series.days[place]), split, dividend, place, doubted))

    def _state(self, action: _Action) -> None:
        self.aside.add(action)
        if self.level and action.place != self.level[-1].place:
            self.beyond.add(action)

    def _total(self, place: int, carried: _Stated) -> tuple[float, float]:
        """(split, dividend) of the actions, then of the row: per share held before the first of them."""
        cash = carried.dividend + carried.split * float(self.series.dividend[place])
        return carried.split * float(self.series.split[place]), cash

    def _weigh(
        self, base: int | None, before: float, since: int, place: int, carried: _Stated
    ) -> tuple[Move, Held | None, _Stated]:
        """(move, doubt, actions it carries): without those of rows set aside where it is more credible without them."""
        move = self._move(base, before, since, place, carried)
        doubted = doubt(self.series, self.judging, move)
        if not carried.actions:
            return move, doubted, carried
        alone = self._move(base, before, since, place, _Stated())
        why = doubt(self.series, self.judging, alone)
        nearer = abs(np.log(alone.growth)) < abs(np.log(move.growth))
        if (doubted or (nearer and carried.doubted)) and (why is None or why.code not in NOT_ANSWERED):
            return alone, why, _Stated()
        return move, doubted, carried

    def _move(self, base: int | None, before: float, since: int, place: int, carried: _Stated) -> Move:
        split, dividend = self._total(place, carried)
        days = int(self.series.days[place]) - since
        return Move(base, before, days, place, split, dividend, float(self.series.close[place]) / before)
