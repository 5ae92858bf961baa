"""Take snapshots: each account as a pack finds it, with what may be bought, what is left out, and what is wrong."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from optimizer import DataError, PolicyError
from optimizer.problem.trade_bounds import RESTRICTIONS
from optimizer.proposals.rebalance_rules import Standing
from resources.accounts.known import Account
from resources.accounts.renamed import symbols_named, under_present_names
from resources.accounts.standing import read_standings
from resources.books.day_before import DayBefore
from resources.books.frozen_positions import frozen_positions
from resources.books.paper import Holdings, paper_holdings
from resources.books.snapshots import Snapshot
from resources.books.stated_holdings import stated_holdings
from resources.books.universes import UNPRICED, Listing, benchmark_symbols, priced_symbols, weighting
from resources.ledger.ledger import Connection
from resources.packs.delistings import present_names
from resources.packs.packs import Pack
from resources.settings.policies.policy_schema import PolicyFile

UNKNOWN = Holdings(None, Decimal(0), {})
REMEDY = "deliver its price, state its delisting, or take it out (docs/how-to/delisted-symbol.md)"
OF_GONE = "take it out of the holdings and the benchmark, or correct what is stated of its end"
Before = Mapping[str, DayBefore | None]


def take_snapshots(
    con: Connection, pack: Pack, accounts: Sequence[Account], before: Before
) -> list[Snapshot]:
    """The accounts under `pack`, in their order; what is wrong with one today is its `problem`, not an error.

    before  id -> what the holdings of a paper book rest on
    """
    # Targets of these may have older names.
    rules = [one.id for one in accounts if one.policy.rebalance is not None]
    names = present_names(con, pack, None if rules else symbols_named(accounts))
    accounts = under_present_names(accounts, names)
    stated = [one for one in accounts if one.mode != "paper" or before.get(one.id) is None]
    found = stated_holdings(con, pack, stated)
    holdings = {
        one.id: found[one.id] if one.id in found else _paper(con, pack, before[one.id], one)
        for one in accounts
    }
    wanted: set[str] = set()
    models = {id(one.model): one.model for one in accounts}
    everything = priced_symbols(con, pack) if any(m.universe == "all" for m in models.values()) else ()
    for model in models.values():
        wanted.update(everything if model.universe == "all" else model.universe, benchmark_symbols(model))
    for held in holdings.values():
        wanted.update(() if isinstance(held, str) else held.quantities)
    policies = {id(one.policy): one.policy for one in accounts}.values()
    restricted = {symbol for policy in policies for item in RESTRICTIONS for symbol in getattr(policy, item)}
    listing = Listing(con, pack, tuple(sorted(wanted)), everything, tuple(sorted(restricted)))
    standings = read_standings(con, pack, rules, names) if rules else {}
    return [
        _taken(listing, one, holdings[one.id], before.get(one.id), standings.get(one.id)) for one in accounts
    ]


def _taken(
    listing: Listing,
    account: Account,
    stated: Holdings | str,
    previous: DayBefore | None,
    standing: Standing | None,
) -> Snapshot:
    """An account as the pack found it."""
    con, pack, policy = listing.con, listing.pack, account.policy
    holdings, problem = (UNKNOWN, stated) if isinstance(stated, str) else (stated, None)
    wanted = listing.universe(account.model)
    if account.not_held:
        wanted = tuple(symbol for symbol in wanted if symbol not in account.not_held)
    named = benchmark_symbols(account.model)
    symbols = sorted({*wanted, *holdings.quantities, *named})
    unpriced = {symbol: listing.unpriced[symbol] for symbol in symbols if symbol in listing.unpriced}
    frozen, without_rate = frozen_positions(
        con, pack, unpriced, _too_young(listing, policy, symbols, named), holdings, account
    )
    problem = problem or without_rate
    kept_anyway = {one.symbol: one.reason or UNPRICED for one in frozen}
    needed = [s for s in (*sorted(holdings.quantities.keys() - kept_anyway), *named) if s in unpriced]
    if needed and not problem:
        problem = _unpriced({symbol: unpriced[symbol] for symbol in needed})
    problem = problem or listing.missing_rates(symbols, account.base_currency)
    closed = listing.closed(symbols, wanted, {*holdings.quantities, *named}, policy, frozen=kept_anyway)
    investable, excluded = _investable(listing, account, wanted, closed)
    problem = problem or (None if investable else "no symbol of its universe has a price")
    problem = problem or listing.without_volume({*investable, *holdings.quantities} - {*kept_anyway}, account)
    benchmark, problem = ({}, problem) if problem else _benchmark(listing, account, investable)
    estimated = {*holdings.quantities} - {*kept_anyway} | {*named}
    priced = {*investable, *(symbol for symbol in estimated if symbol not in unpriced)}
    kept = tuple(symbol for symbol in symbols if symbol in priced)
    return Snapshot(
        account.id, account.name, account.mode, account.base_currency, holdings, kept, investable, excluded,
        benchmark, account.model.prior, policy, tuple(account.model.views), problem,
        weighting(account.model), account.model.universe != "all",
        previous.rests_on if previous else None, previous.missing if previous else None, frozen,
        account.model_name, standing,
    )  # fmt: skip


def _unpriced(said: Mapping[str, str]) -> str:
    """What is wrong with each symbol, with what to do; what says more than that there is no price ends in its own."""
    whole = [f"{symbol} {why}" for symbol, why in said.items() if why.startswith(f"{UNPRICED}: ")]
    others = [f"{symbol} {why}" for symbol, why in said.items() if why == UNPRICED]
    gone = [f"{symbol} {why}" for symbol, why in said.items() if not why.startswith(UNPRICED)]
    ending = [f"{'; '.join(group)}: {do}" for group, do in ((others, REMEDY), (gone, OF_GONE)) if group]
    return "; ".join([*whole, *ending])


def _investable(
    listing: Listing, account: Account, wanted: tuple[str, ...], closed: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """What may be bought of what is wanted, ascending; and symbol -> why it may not, of all that the desk names."""
    excluded = {symbol: why for symbol, why in sorted(closed.items()) if symbol in wanted}
    investable = tuple(symbol for symbol in sorted(wanted) if symbol not in excluded)
    listed = listing.universe(account.model)
    excluded |= {symbol: account.not_held[symbol] for symbol in sorted(account.not_held) if symbol in listed}
    return investable, {**listing.strangers(account.policy), **excluded} if listing.restricted else excluded


def _benchmark(
    listing: Listing, account: Account, investable: tuple[str, ...]
) -> tuple[dict[str, float], str | None]:
    """Benchmark weights by symbol, and why they or the prior's are not known, where they are not."""
    weights: dict[str, float] = {}
    try:
        weights = listing.benchmark(account, investable)
        if account.model.prior == "market_cap":
            listing.cap_weights(investable, account.base_currency)
    except DataError as error:
        return weights, str(error)
    return weights, None


def _too_young(
    listing: Listing, policy: PolicyFile, symbols: Sequence[str], named: Sequence[str]
) -> dict[str, str]:
    """Symbol -> why its history is too short, of those that the policy freezes for it: not what a benchmark needs."""
    if policy.on_short_history != "freeze":
        return {}
    young = listing.young([s for s in symbols if s not in listing.unpriced], policy.lookback_days)
    return {symbol: why for symbol, why in young.items() if symbol not in named}


def _paper(con: Connection, pack: Pack, previous: DayBefore | None, account: Account) -> Holdings | str:
    """What a paper book holds after its day before, or why that is not known."""
    if previous is None or previous.missing is not None:
        return previous.waiting(account.name) if previous else f"{account.name} has no holdings"
    try:
        return paper_holdings(con, pack, previous.pack, account)
    except (PolicyError, DataError) as error:
        return str(error)
