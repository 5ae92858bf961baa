"""Accounts as a pack knows them: what a file states, and what the rows of the logs say, as one kind of value."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import groupby
from typing import Any

from optimizer import DataError, Lot, PolicyError, Position
from optimizer.model.portfolio import ZERO, exact
from optimizer.problem.trade_bounds import RESTRICTIONS
from resources.accounts.keys import key_of
from resources.accounts.rows import CASH
from resources.accounts.waiting import in_another_base, set_aside, told_in_both_ways
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack, newest_revision
from resources.packs.rates import exchange_rate
from resources.settings.models import ModelFile
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.policies.rebalance_schema import RebalanceFile
from resources.settings.portfolios import PortfolioFile, Portfolios


@dataclass(frozen=True)
class Stated:
    """What was held at the close of a day; `costed` are the symbols whose average cost is known, besides lots."""

    as_of: date
    cash: Decimal
    items: tuple[Lot | Position, ...]
    costed: frozenset[str]


@dataclass(frozen=True, eq=False)
class Account:
    """A portfolio before anything is computed of it, whether a file states it or rows do.

    model       shared by all accounts of it; of a portfolio in YAML the file itself
    model_name  of rows; None for a file, which is its own model
    policy      the model's under what the account says for itself
    not_held    symbol -> why the account may not hold it
    wrong       why its holdings are not known, where they are not
    """

    id: str
    name: str
    mode: str
    base_currency: str
    model: ModelFile
    policy: PolicyFile
    stated: Stated | None
    wrong: str | None = None
    model_name: str | None = None
    not_held: Mapping[str, str] = field(default_factory=dict)


def account_of(file: PortfolioFile, pack: Pack) -> Account:
    """The account that a portfolio in YAML is, with its newest holdings dated on or before the pack."""
    try:
        held, wrong = _of_file(file, pack.as_of), None
    except PolicyError as error:
        held, wrong = None, str(error)
    return Account(str(file.id), file.name, file.mode, file.base_currency, file, file.policy, held, wrong)


def _of_file(file: PortfolioFile, as_of: date) -> Stated:
    held = file.holdings_at(as_of)
    items: list[Lot | Position] = []
    for symbol, position in sorted(held.positions.items()):
        if position.lots:
            items += position.tax_lots(symbol)
        elif position.quantity:
            items.append(Position(symbol, exact(position.quantity), exact(position.cost_basis or 0)))
    known = {s for s, one in held.positions.items() if one.quantity and one.cost_basis is not None}
    return Stated(held.as_of, Decimal(str(held.cash)), tuple(items), frozenset(known))


def accounts_of(con: Connection, pack: Pack, portfolios: Portfolios) -> list[Account]:
    """Every portfolio of a desk under a pack, those of the YAML files first, then the accounts by key."""
    return [
        *(account_of(file, pack) for file in portfolios.files),
        *read_accounts(con, pack, portfolios.models),
    ]


def known_portfolios(con: Connection, portfolios: Portfolios, as_of: date) -> list[tuple[str, str]]:
    """(key, name) of every portfolio of a desk on a day, as a pack that is cut now would know them."""
    pack = newest_revision(con, as_of)
    mark = pack.watermark if pack is not None and pack.fresh else NEWEST
    rows = con.execute(
        "select account, coalesce(name, account) from known_accounts(?, ?) where closed is null order by 1",
        [as_of, mark],
    ).fetchall()
    return [
        *((str(file.id), file.name) for file in portfolios.files),
        *((str(key), str(name)) for key, name in rows),
    ]


def find_account(accounts: Sequence[Account], wanted: str) -> Account:
    """The account of that key, id or name; raises PolicyError that lists what there is, or whom a name may mean."""
    known = [(one.id, one.name) for one in accounts]
    key = key_of(known, wanted, f"there is no portfolio {wanted!r}")
    return next(one for one in accounts if one.id == key)


def read_accounts(con: Connection, pack: Pack, models: Mapping[str, ModelFile]) -> list[Account]:
    """The accounts that are rows, as the pack saw them, by key: one query a log, whatever their number."""
    rows = con.execute(
        "select account, name, model, base_currency, cash_buffer, tax_status from known_accounts(?, ?) "
        "where closed is null order by account",
        [pack.as_of, pack.watermark],
    ).fetchall()
    if not rows:
        return []
    positions, flows = _grouped(con, pack, POSITIONS), _grouped(con, pack, FLOWS)
    limits, aside = _grouped(con, pack, OWN_LIMITS), _grouped(con, pack, SET_ASIDE)
    bases = _grouped(con, pack, OTHER_BASES)
    policies: dict[object, PolicyFile] = {}
    rate = _rates(con, pack)
    found = []
    for key, name, model_name, currency, buffer, tax_status in rows:
        account, model = str(key), models.get(str(model_name))
        base = str(currency or "USD")
        own = limits.get(account, [])
        made = partial(Account, account, str(name or account), "live", base, model_name=str(model_name))
        if model is None:
            wrong = f"there is no model {model_name}; config/models has {', '.join(models) or 'none'}"
            found.append(made(NO_MODEL, NO_MODEL.policy, None, wrong))
            continue
        changes = (model_name, buffer, tax_status, tuple(limit for limit in own if limit[1] in RESTRICTIONS))
        if changes not in policies:
            policies[changes] = policy_of(model.policy, buffer, tax_status, own)
        policy = policies[changes]
        told, flowed = positions.get(account, []), flows.get(account, [])
        held, why = _stated(told, flowed, aside.get(account, []), base, policy, rate)
        why = why or in_another_base(told, flowed, base, bases.get(account, []))
        found.append(made(model, policy, None if why else held, why, not_held=_not_held(own)))
    return found


NEWEST = 2**62  # past every ingest
NO_MODEL = ModelFile(name="none", universe=[])
POSITIONS = (
    "select account, symbol, date, lot, quantity, cost_basis, acquired, ingest_seq from known_positions(?, ?) "
    "order by account, symbol, acquired, lot"
)
FLOWS = "select account, date, amount, currency from known_flows(?, ?) order by account, date, reference"
OWN_LIMITS = (
    "select account, symbol, kind, reason from known_restrictions(?, ?) order by account, symbol, kind"
)
SET_ASIDE = (
    "select account, log, date, symbol, reason from rows_set_aside(?, ?) "
    "order by account, log <> 'account_positions', log, date, symbol, reason"
)
# When an account's base currency was another than now.
OTHER_BASES = (
    "select account, start, until, base from account_bases(?, ?) where base <> now "
    "order by account, until desc"
)
Row = tuple[Any, ...]


def _grouped(con: Connection, pack: Pack, sql: str) -> dict[str, list[Row]]:
    """Account -> its rows, without the account."""
    rows = con.execute(sql, [pack.as_of, pack.watermark]).fetchall()
    return {str(key): [row[1:] for row in group] for key, group in groupby(rows, key=lambda row: row[0])}


Rate = Callable[[str, str], float]


def _rates(con: Connection, pack: Pack) -> Rate:
    known: dict[tuple[str, str], float] = {}

    def rate(currency: str, base: str) -> float:
        if (currency, base) not in known:
            known[currency, base] = exchange_rate(con, pack, currency, base)
        return known[currency, base]

    return rate


def policy_of(
    policy: PolicyFile, buffer: float | None, tax_status: str | None, limits: Iterable[Row] = ()
) -> PolicyFile:
    """A model's policy under an account's cash buffer, tax status and restrictions (symbol, kind, reason)."""
    changed: dict[str, object] = {}
    if buffer is not None:
        least = 100 * buffer
        changed |= {"cash_min_pct": least, "cash_max_pct": max(least, policy.cash_max_pct)}
    if tax_status == "exempt":
        changed |= {"tax": None, "harvest": None}
    for kind in RESTRICTIONS:
        told = {
            str(symbol): str(said or "") for symbol, named, said in limits if named == kind and symbol != "*"
        }
        if told:
            changed[kind] = {**getattr(policy, kind), **told}
    changed |= _rules_of(policy, buffer, limits)
    return policy.model_copy(update=changed) if changed else policy


def _rules_of(policy: PolicyFile, buffer: float | None, limits: Iterable[Row]) -> dict[str, object]:
    """What an account says of when it trades: not at all, or with a larger cash buffer than its model."""
    rules = policy.rebalance
    whole = [str(said or "") for symbol, kind, said in limits if symbol == "*" and kind == "do_not_trade"]
    if whole:
        rules = (rules or RebalanceFile()).model_copy(update={"do_not_trade": whole[0]})
    if rules and rules.cash and buffer is not None:
        kept, least = rules.cash, 100 * buffer
        more = {
            name: max(least, value)
            for name in ("target_pct", "max_pct")
            if (value := getattr(kept, name)) is not None
        }
        rules = rules.model_copy(update={"cash": kept.model_copy(update={"min_pct": least, **more})})
    return {} if rules is policy.rebalance else {"rebalance": rules}


def _not_held(limits: Iterable[Row]) -> dict[str, str]:
    """Symbol -> why an account may not hold it."""
    return {
        symbol: f"may not be held: {said}" if said else "may not be held"
        for symbol, kind, said in limits
        if kind == "do_not_hold"
    }


def _stated(
    positions: Sequence[Row],
    flows: Sequence[Row],
    aside: Sequence[Row],
    base: str,
    policy: PolicyFile,
    rate: Rate,
) -> tuple[Stated | None, str | None]:
    """What an account holds, and why that is not known, where it is not.

    Cash is that of the positions, and what flowed after their day.
    """
    if aside:
        return None, set_aside(aside)
    if not positions:
        return None, "it has no positions on record; send account_positions, a row CASH for money alone"
    day: date = positions[0][1]
    cash, items, costed = ZERO, list[Lot | Position](), set[str]()
    if both := told_in_both_ways(positions):
        return None, both
    for symbol, _, lot, quantity, cost, acquired, _ in positions:
        name, shares = str(symbol), exact(quantity)
        if name == CASH:
            cash += shares
        elif acquired is not None:
            items.append(Lot(str(lot) or f"{name}-{acquired:%Y%m%d}", name, shares, exact(cost), acquired))
        elif shares:
            items.append(Position(name, shares, exact(cost or 0)))
            if cost is not None:
                costed.add(name)
    if policy.tax is not None and (without := sorted({i.symbol for i in items if isinstance(i, Position)})):
        said = "send their lots (acquired, cost_basis), or tax_status exempt"
        return None, f"its model taxes sales, which needs the tax lots of {', '.join(without[:5])}: {said}"
    try:
        for when, amount, currency in flows:
            if when > day:
                cash += exact(amount) * exact(rate(str(currency or base), base))
    except DataError as error:
        return None, str(error)
    return Stated(day, cash.quantize(Decimal("0.0001")), tuple(items), frozenset(costed)), None
