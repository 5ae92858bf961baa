"""The corporate actions of some symbols as a pack saw them: those on record, and those that its price rows state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from math import prod
from typing import Any

import numpy as np

from optimizer import CorporateAction, DataError
from optimizer.model.actions.action_kinds import CASH_KINDS, ENDS, action_faults, places
from optimizer.model.exchange_rates import main_currency
from optimizer.model.portfolio import Number
from resources.books.adjustments import Market
from resources.ledger.ledger import Connection
from resources.packs.delistings import (
    EPOCH,
    called_now,
    every_delisting,
    given_up_later,
    names_given_up,
    quoted_in,
    standing,
)
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.packs.rates import exchange_rates, missing_rate
from resources.packs.spin_offs import followed
from resources.screening.renames import Rename, present_name, segments
from resources.screening.stated.stated_splits import SAME_RATIO

RATIOS = ("split", "stock_dividend")
NO_MORE = (*ENDS, "rename")
BECOMES = ("merger", "rename")
SAME = 1e-6
FIELDS = ("value", "new_symbol", "cash", "cash_in_lieu", "basis_share", "currency")


def actions_on_record(
    con: Connection, pack: Pack, symbols: Iterable[str], held: date | None = None
) -> list[CorporateAction]:
    """Every action that a pack saw on the symbols, and on those that they became; by day.

    held  the day on which a desk counted the symbols; raises DataError where another company has one of them since, or
          a name that their shares had when they ended
    """
    asked = set(symbols)
    found, names = followed(asked, lambda wanted: _stated(con, pack, wanted))
    places(found)  # a circle is refused before any of it is acted on
    ends = every_delisting(con, pack, names)
    for symbol, end, again in ends:
        if not (held and again and end.day > held):
            continue
        if symbol in asked or any(one.new_symbol == symbol and held < one.day <= end.day for one in found):
            raise DataError(
                f"{symbol} {end}, and is priced again later: the holdings of {held} are of the share that ended; state "
                f"holdings of {end.day} or later, or take the delisting back (withdrawn: true) if it is wrong"
            )
    kept = [(symbol, end) for symbol, end, again in ends if again] + [*standing(ends).items()]
    found += [
        CorporateAction(symbol, end.day, "delisting", end.value, currency=end.currency)
        for symbol, end in kept
    ]
    return sorted(found, key=lambda action: (action.day, action.symbol, action.kind))


def _stated(con: Connection, pack: Pack, symbols: list[str]) -> list[CorporateAction]:
    """Of each (symbol, date, kind) the newest word; the end of a share is told by `delistings`.

    A name that is to be given up later is given up now where its prices are kept under the later one.
    """
    found = con.execute(
        "select * from stated_actions(?) where symbol in (select unnest(?)) and kind <> 'delisting' "
        "and (date <= ? or kind = 'rename')",
        [pack.watermark, symbols, pack.as_of],
    )
    names = [item[0] for item in found.description or []]
    rows: list[dict[str, Any]] = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
    later = [row["symbol"] for row in rows if row["date"] > pack.as_of]
    named = given_up_later(con, pack, later) if later else {}
    rows = [row for row in rows if row["date"] <= pack.as_of or row["symbol"] in named]
    return [
        CorporateAction(row["symbol"], row["date"], row["kind"], *(row.get(name) for name in FIELDS))
        for row in rows
        if not any(action_faults(str(row["kind"]), row))  # of a release that took any kind
    ]


def actions_seen(
    stated: Sequence[CorporateAction], panel: Panel, *, splits: bool = False
) -> list[CorporateAction]:
    """The stated actions, and the dividends and splits of the price rows that they do not state.

    splits  whether a stated split counts where the closes carry it already, as for shares counted on its eve
    """
    basis = dict(zip(panel.symbols, panel.basis, strict=True))
    stated = _told_once(stated)
    renames = sorted((a for a in stated if a.kind == "rename"), key=lambda a: a.day, reverse=True)
    names = segments(Rename(a.symbol, str(a.new_symbol), (a.day - EPOCH).days) for a in renames)
    found = [
        action
        for action in stated
        if not _in_closes(
            action, basis.get(present_name(names, action.symbol, (action.day - EPOCH).days), ""), splits
        )
    ]
    of_name: dict[str, list[CorporateAction]] = {}
    for action in stated:
        of_name.setdefault(action.symbol, []).append(action)
    became = {rename.new_symbol for rename in renames}
    for column, symbol in enumerate(panel.symbols):
        before = None
        for row in np.flatnonzero(np.isfinite(panel.close[:, column])).tolist():
            day = panel.dates[row]
            for name in _names_on(symbol, day, renames) if symbol in became else (symbol,):
                # what happened on a day without a close is told by the next row
                of_day = [
                    a for a in of_name.get(name, ())
                    if a.day == day or (before is not None and before < a.day < day)
                ]  # fmt: skip
                _add_row(found, of_day, panel, (row, column), name)
            before = day
    return _one_dividend(found)


def _add_row(
    found: list[CorporateAction], of_day: Sequence[CorporateAction], panel: Panel, at: tuple[int, int], name: str
) -> None:  # fmt: skip
    """What the row of a share states under a name, and its actions of that day do not."""
    row, column = at
    day, paid, currency = panel.dates[row], float(panel.dividend[at]), panel.currency[column] or None
    told = _cash_told(of_day, currency or "", paid)
    if paid and told and panel.basis[column] == "split_adjusted":
        # the row is in shares of today, the statement in those of its day
        found[:] = [_times(action, paid / told) if action in of_day else action for action in found]
    elif paid - told > SAME * paid:
        unit = next((a.currency for a in of_day if a.kind == "dividend" and a.currency), currency)
        more = (paid - told) * main_currency(currency or "")[1] / main_currency(unit or "")[1]
        found.append(CorporateAction(name, day, "dividend", more, currency=unit))
    ratio = float(panel.split[at])
    if ratio != 1 and not _ratio_told(of_day, ratio):
        found.append(CorporateAction(name, day, "split", ratio, currency=currency))


def _names_on(symbol: str, day: date, renames: Sequence[CorporateAction]) -> list[str]:
    """The names under which a share may be held on a day, whose rows are kept under its present one: that of the day,
    and the present one, but where another share had it then.

    renames  the latest first
    """
    name, at = symbol, date.max
    for rename in renames:
        if rename.new_symbol == name and day < rename.day < at:
            name, at = rename.symbol, rename.day
    own = name == symbol or any(rename.symbol == symbol and rename.day > day for rename in renames)
    return [name] if own else [name, symbol]


def _cash_told(actions: Iterable[CorporateAction], unit: str, paid: float) -> float:
    """Cash per share that actions state of a day, in the unit of its row; what the row `paid` where one is in another
    currency: it is the same payment."""
    main, part = main_currency(unit)
    found = 0.0
    for action in actions:
        if action.kind in CASH_KINDS:
            own, share = main_currency(action.currency or unit)
            if own != main:
                return paid
            found += (action.value or 0.0) * share / part
    return found


def _told_once(stated: Sequence[CorporateAction]) -> list[CorporateAction]:
    """The actions without a split that is stated as a stock dividend too."""
    gifts = {(one.symbol, one.day): one.ratio for one in stated if one.kind == "stock_dividend"}
    return [
        one for one in stated
        if one.kind != "split" or abs(gifts.get((one.symbol, one.day), 0) / one.ratio - 1) > SAME_RATIO
    ]  # fmt: skip


def _ratio_told(actions: Iterable[CorporateAction], ratio: float) -> bool:
    """Whether actions of a day state the split of its row: what they call a split is that one, a stock dividend only
    where it comes to the same."""
    told = [action for action in actions if action.kind in RATIOS]
    stated = prod(float(action.ratio) for action in told)
    return any(action.kind == "split" for action in told) or abs(ratio / stated - 1) <= SAME_RATIO


def in_effect(actions: Sequence[CorporateAction], panel: Panel) -> list[CorporateAction]:
    """The actions that the prices have come to: one of a day without a close waits for the next close of its share.

    Shares and price so change together, and once. The end of a share, or of its name, waits for nothing.
    """
    last = {symbol: panel.last_close(column) for column, symbol in enumerate(panel.symbols)}
    come = {symbol: found[0] for symbol, found in last.items() if found}
    for action in actions:
        if action.kind in NO_MORE:
            come[action.symbol] = max(action.day, come.get(action.symbol, action.day))
    return [a for a in actions if a.kind in NO_MORE or a.day <= come.get(a.symbol, date.min)]


def priced_since(action: CorporateAction, panel: Panel, since: Mapping[str, date]) -> bool:
    """Whether a symbol is priced after an action; `since`: its newest close of before the panel, or any of it."""
    last = panel.last_close(panel.places[action.symbol]) if action.symbol in panel.places else None
    return (last[0] if last else since.get(action.symbol, date.min)) > action.day


def became_by(actions: Iterable[CorporateAction], day: date) -> dict[str, date]:
    """Symbol -> when its shares became others or got another name, up to a day; up to then all was acted on, priced or
    not."""
    return {action.symbol: action.day for action in actions if action.kind in BECOMES and action.day <= day}


def _in_closes(action: CorporateAction, basis: str, splits: bool) -> bool:
    """Whether the closes carry an action, so that nothing is left of it for a holder to receive."""
    if basis == "total_return" and action.kind in CASH_KINDS:
        return True
    return action.kind in RATIOS and basis not in ("", "as_traded") and not splits


def _times(action: CorporateAction, factor: float) -> CorporateAction:
    return replace(action, value=(action.value or 0.0) * factor) if action.kind in CASH_KINDS else action


def _one_dividend(actions: Iterable[CorporateAction]) -> list[CorporateAction]:
    """What a row pays beyond a stated dividend is part of that dividend."""
    merged: dict[tuple[str, date, str], CorporateAction] = {}
    for action in actions:
        key = action.symbol, action.day, action.kind
        before = merged.get(key)
        if before and action.kind == "dividend":
            action = replace(before, value=(before.value or 0.0) + (action.value or 0.0))
        merged[key] = action
    return list(merged.values())


def market_of(con: Connection, pack: Pack, panel: Panel, base: str) -> Market:
    """Rates and prices after an action, from what a pack saw: of the first close of its day or later, else of its day.

    Where no rate of that day is on record it is the pack's.
    """
    rates: dict[tuple[str, date], float] = {}
    known = cache(lambda: exchange_rates(con, pack))

    def rate(currency: str, day: date) -> float:
        if currency == base:
            return 1.0
        if (currency, day) not in rates:
            told = known().way(currency, base, [day, pack.as_of]).rates
            if np.isnan(told[1]):
                raise DataError(missing_rate(pack, currency, base, pack.as_of))
            rates[currency, day] = float(told[0] if np.isfinite(told[0]) else told[1])
        return rates[currency, day]

    names = cache(lambda: called_now(names_given_up(con, pack)))

    @cache
    def unit_of(action: CorporateAction) -> str:
        """In which an action pays that does not say; raises DataError where nobody knows."""
        own = dict.fromkeys((names()(action.symbol, action.day), action.symbol))
        found = quoted_in(con, pack, own, action.day, ended=action.kind in ENDS)
        if found is None and (action.per_share or action.cash_in_lieu):
            raise DataError(
                f"{action}: in which currency it pays is not known, as {action.symbol} has no price; state its "
                f"`currency` in corporate_actions.csv"
            )
        return str(found or base)

    def market(action: CorporateAction) -> tuple[Number, Mapping[str, Number]]:
        prices: dict[str, Number] = {}
        acted = action.day
        for symbol in {action.symbol, action.new_symbol} & panel.places.keys():
            column = panel.places[str(symbol)]
            close = panel.close[:, column]
            after = [row for row in np.flatnonzero(np.isfinite(close)) if panel.dates[row] >= action.day]
            if after:
                day = panel.dates[after[0]]
                prices[str(symbol)] = float(close[after[0]]) * rate(panel.currency[column], day)
                acted = day if symbol == action.symbol else acted
        return rate(action.currency or unit_of(action), acted), prices

    return market
