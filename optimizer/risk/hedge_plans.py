"""Hedges against scenarios, chosen and sized for the least loss left: for any number of books and scenarios at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.risk.hedges import BPS, HedgeLimits, Instrument, Market, Offer, Offers, Quote, offers_of
from optimizer.risk.scenarios import FACTORS, Sensitivities, applied_moves
from optimizer.risk.stresses import Stress, left_to_right
from optimizer.typing import Array

MATERIAL = 0.05  # of a loss
NO_LOSS = ("The portfolio does not lose under this scenario; no hedge is needed",)
NO_GAIN = "No instrument of the catalogue that the pack prices gains more than it costs under this scenario"
Places = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Hedge:
    """One hedge, in whole shares or contracts; money in the base currency.

    notional     of the underlying;  exposure  the notional that would offset its factors' whole loss
    hedge_ratio  notional / exposure;  offset  gain under the scenario;  cost  over the horizon
    """

    instrument: Instrument
    quote: Quote
    quantity: int
    notional: float
    hedge_ratio: float
    offset: float
    standard_error: float
    cost: float

    @property
    def exposure(self) -> float:
        """The notional that would offset the whole loss due to its factors."""
        return self.notional / self.hedge_ratio


@dataclass(frozen=True)
class HedgePlan:
    """The hedges against one scenario; the loss is positive money, and so is what is left of it."""

    hedges: tuple[Hedge, ...]
    loss: float
    notes: tuple[str, ...] = ()

    @cached_property
    def offset(self) -> float:
        """What the hedges gain together."""
        return sum([hedge.offset for hedge in self.hedges])

    @property
    def residual(self) -> float:
        """Loss less offset."""
        return self.loss - self.offset

    @cached_property
    def cost(self) -> float:
        """What the hedges cost together."""
        return sum([hedge.cost for hedge in self.hedges])


@typed
def plan_hedges(
    stressed: Stress,
    nav: float,
    instruments: Sequence[Instrument],
    markets: Mapping[str, Market],
    sensitivities: Sensitivities,
    limits: HedgeLimits,
    replayed: Mapping[str, float] | None = None,
) -> HedgePlan:
    """The hedges that leave the least loss within the limits, and of those the cheapest.

    replayed  symbol -> real return over the scenario's window; instruments without one move by sensitivity
    An instrument is used only against factors that cost the book something, and only if it gains by more than
    one standard error, and more than it costs; one that does not is noted. With a cost per unit of offset each, a
    cap each and one budget this is the continuous knapsack, where taking the cheapest offset first is optimal
    (Dantzig 1957); whole units are rounded down, so that no hedge covers more than its share. Instruments against
    the same factor share that factor's loss. Raises DataError for a NAV that is no amount.

    >>> stressed = stress({'EQUITY': -100.0}, sensitivities, Scenario('down', 'fall', {'equity': -0.1}))
    >>> plan_hedges(stressed, 1e3, [], {}, sensitivities, HedgeLimits()).notes
    ('The portfolio does not lose under this scenario; no hedge is needed',)
    """
    offers = Offers()
    if stressed.total < 0:
        moves = applied_moves(stressed.scenario, sensitivities)
        offers = offers_of(instruments, markets, sensitivities, moves, limits, replayed)
    plans = plan_each(
        [offers], np.array([stressed.total]), stressed.causes[None], np.array([float(nav)]), limits
    )
    return plans.plan(0)


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some hedges, a row each, in the terms of `Hedge`.

    row    the plan that it is of;  offer  its place among the plans' offers
    """

    row: Places
    offer: Places
    quantity: Array
    notional: Array
    hedge_ratio: Array
    offset: Array
    standard_error: Array
    cost: Array


@dataclass(frozen=True, eq=False)
class Plans:
    """Plans of hedges, a row each; `chosen` lists all their hedges, row by row, in the order in which they were taken.

    loss, offset, cost  (R,) in the terms of `HedgePlan`
    """

    offers: Sequence[Offer]
    chosen: Chosen
    loss: Array
    offset: Array
    cost: Array
    notes: Sequence[tuple[str, ...]]

    def plan(self, row: int) -> HedgePlan:
        """One of them."""
        own, hedges = self.chosen, []
        for at in np.flatnonzero(own.row == row).tolist():
            instrument, quoted, _ = self.offers[own.offer[at]]
            told = (own.notional, own.hedge_ratio, own.offset, own.standard_error, own.cost)
            amounts = (float(amount[at]) for amount in told)
            hedges.append(Hedge(instrument, quoted, int(own.quantity[at]), *amounts))
        return HedgePlan(tuple(hedges), float(self.loss[row]), self.notes[row])


def plan_each(
    offers: Sequence[Offers], profits: Array, causes: Array, navs: Array, limits: HedgeLimits
) -> Plans:
    """`plan_hedges` of some books under some scenarios, none of which decides a bit of another's plan.

    offers  of each plan;  profits  (R,) of the book under the scenario
    causes  (R, k) what each of FACTORS costs it, >= 0;  navs  (R,)
    Raises DataError for a NAV that is no amount.
    """
    if not np.isfinite(navs).all():
        wrong = navs[~np.isfinite(navs)][0]
        raise DataError(f"the NAV is {wrong}; give what the book is worth, base currency")
    table, loss = _Table(offers), np.where(profits < 0, -profits, 0.0)
    hurt = causes > MATERIAL * loss[:, None]
    due = np.where(hurt, causes, 0.0)
    untold = ~hurt.any(axis=1)
    hurt[untold], due[untold] = True, loss[untold, None]
    filling = _Filling(table, limits, loss, hurt, due, navs)
    for place in range(table.most):
        filling.take(place)
    return Plans(table.offers, filling.chosen(), loss, filling.offset, filling.spent, filling.told())


class _Table:
    """The offers of some plans, each `Offers` once.

    which  (R,) the group of each plan;  first, count  where the offers of each group lie
    gain, error, cost, unit  (F,) of each offer;  against  (F, K) places of its factors, filled up with k
    """

    def __init__(self, offers: Sequence[Offers]) -> None:
        known = {id(one): one for one in offers}
        places = {key: place for place, key in enumerate(known)}
        self.groups = list(known.values())
        self.which = np.array([places[id(one)] for one in offers], dtype=np.intp)
        self.offers = [offer for one in self.groups for offer in one.usable]
        self.count = np.array([len(one.usable) for one in self.groups], dtype=np.intp)
        self.first = np.cumsum(self.count) - self.count
        self.most = int(self.count.max(initial=0))
        quotes = [(quote.gain, quote.error, quote.cost, unit) for _, quote, unit in self.offers]
        self.gain, self.error, self.cost, self.unit = np.array(quotes, dtype=float).reshape(-1, 4).T
        factors = [[FACTORS.index(factor) for factor in one.against] for one, _, _ in self.offers]
        self.against = np.full((len(factors), max(map(len, factors), default=0)), len(FACTORS))
        for row, own in enumerate(factors):
            self.against[row, : len(own)] = own


class _Filling:
    """Plans while their hedges are taken, the cheapest offset first.

    hurt  (R, k) whether a factor counts;  due  (R, k) the loss due to it
    """

    def __init__(
        self, table: _Table, limits: HedgeLimits, loss: Array, hurt: Flags, due: Array, navs: Array
    ) -> None:
        beside = ((0, 0), (0, 1))  # no loss is due to the factor that fills up
        self._table, self._limits, self._loss = table, limits, loss
        self._hurt, self._due = np.pad(hurt, beside), np.pad(due, beside)
        share = limits.max_cost_bps * BPS
        self._open, self._left = self._due.copy(), loss * limits.target
        self._budget = share * navs if share < np.inf else np.full(len(navs), np.inf)
        self._count, self._usable = np.zeros(len(loss), dtype=np.intp), np.zeros(len(loss), dtype=bool)
        self._notes: dict[int, tuple[str, ...]] = {}
        self._taken: list[Chosen] = []
        self.offset, self.spent = np.zeros(len(loss)), np.zeros(len(loss))

    def take(self, place: int) -> None:
        """What each plan uses of its next offer."""
        table, which = self._table, self._table.which
        more = (self._loss > 0) & (self._count < self._limits.max_count) & (place < table.count[which])
        rows = np.flatnonzero(more)
        offer = table.first[which[rows]] + place
        against = table.against[offer]
        reached = self._hurt[rows[:, None], against].any(axis=1)
        rows, offer, against = rows[reached], offer[reached], against[reached]
        self._usable[rows] = True
        loss, due = self._loss[rows], left_to_right(self._due[rows[:, None], against])
        still = left_to_right(self._open[rows[:, None], against])
        wanted = np.minimum(
            np.minimum(self._left[rows], self._limits.max_share * np.minimum(due, loss)), still
        )
        price = table.cost[offer]
        paid = np.divide(self._budget[rows], price, out=np.full(len(rows), np.inf), where=price > 0)
        notional = np.minimum(wanted / table.gain[offer], paid)
        quantity = np.floor(notional / table.unit[offer] + 1e-9)
        small = quantity < 1
        for at in np.flatnonzero(small & (wanted > MATERIAL * loss)).tolist():
            instrument, _, unit = table.offers[offer[at]]
            note = (
                f"{instrument.name} is left out: one unit is {unit:,.0f}, {notional[at]:,.0f} could be used"
            )
            self._notes[int(rows[at])] = (*self._notes.get(int(rows[at]), ()), note)
        self._add(rows[~small], offer[~small], quantity[~small], np.minimum(due, loss)[~small], still[~small])

    def _add(self, rows: Places, offer: Places, quantity: Array, due: Array, still: Array) -> None:
        """Hedges of as many units; due, still  the loss due to their factors, in all and not yet covered."""
        table = self._table
        notional = quantity * table.unit[offer]
        offset, cost = notional * table.gain[offer], notional * table.cost[offer]
        error = notional * table.error[offer]
        self._taken.append(Chosen(rows, offer, quantity, notional, offset / due, offset, error, cost))
        self._count[rows] += 1
        self._left[rows] -= offset
        self._budget[rows] -= cost
        self.offset[rows] += offset
        self.spent[rows] += cost
        for factor in table.against[offer].T:
            self._open[rows, factor] *= 1 - offset / still

    def chosen(self) -> Chosen:
        """What was taken, row by row."""
        if not self._taken:
            nothing, nowhere = np.zeros(0), np.zeros(0, dtype=np.intp)
            return Chosen(nowhere, nowhere, *[nothing] * 6)
        columns = [np.concatenate(column) for column in zip(*map(_columns, self._taken), strict=True)]
        order = np.argsort(columns[0], kind="stable")
        return Chosen(*(column[order] for column in columns))

    def told(self) -> list[tuple[str, ...]]:
        """What is to be said of each plan."""
        known: dict[tuple[int, int], tuple[str, ...]] = {}
        codes = (self._hurt @ (1 << np.arange(len(FACTORS) + 1))).tolist()
        found: list[tuple[str, ...]] = []
        for row, (which, code) in enumerate(zip(self._table.which.tolist(), codes, strict=True)):
            if not self._loss[row] > 0:
                found.append(NO_LOSS)
                continue
            if (which, code) not in known:
                hurt = {factor for factor, counts in zip(FACTORS, self._hurt[row], strict=False) if counts}
                refused = self._table.groups[which].refused
                known[which, code] = tuple(why for one, why in refused if not hurt.isdisjoint(one.against))
            own = self._notes.get(row, () if self._usable[row] else (NO_GAIN,))
            found.append((*own, *known[which, code]) if own else known[which, code])
        return found


def _columns(chosen: Chosen) -> tuple[Any, ...]:
    return tuple(getattr(chosen, one.name) for one in fields(Chosen))
