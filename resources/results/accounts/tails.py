"""The stage of tails: what a portfolio may lose, and what it earned since the pack before."""

from collections.abc import Collection, Mapping
from decimal import Decimal

from optimizer import DataError, PackfolioError, Portfolio
from optimizer.model.portfolio import Number
from optimizer.proposals.proposal import weights_after
from resources.results.accounts.facts import Account
from resources.results.accounts.shared_inputs import Ground
from resources.results.estimates.pack_estimates import portfolio_of
from resources.results.sensitivities.priced_dates import Span
from resources.results.stage_outputs import Answer, Columns
from resources.results.tails.held_returns import held_columns
from resources.results.tails.risks import HELD, PROPOSED, Priced, tail_columns

NOTHING: Answer = {"tail_risk": {}, "held_returns": {}}


def tail_risk_of(ground: Ground, account: Account) -> tuple[Answer, tuple[str, ...]]:
    """Value at risk as held and as proposed, and what was earned since the pack before; and what is not told."""
    snapshot = account.snapshot
    if snapshot.problem:
        return NOTHING, (snapshot.problem,)
    try:
        inputs = ground.inputs(snapshot)
        value, books = books_of(portfolio_of(inputs), inputs.prices, account.orders)
    except PackfolioError as error:
        return NOTHING, (str(error),)
    tails, untold = _tails(ground, account, value, books)
    earned, told = _earned(ground, account, value)
    return {"tail_risk": tails, "held_returns": earned}, (*untold, *told)


def books_of(
    portfolio: Portfolio, prices: Mapping[str, Number], orders: Mapping[str, tuple[Decimal, Decimal]] | None
) -> tuple[float, Mapping[str, Mapping[str, float]]]:
    """What a portfolio is worth, and the weights of its books that hold something, symbols ascending.

    prices, orders  as in `orders_impact`; no orders: as held alone
    """
    value, held = portfolio.value_and_weights(prices)
    found = {HELD: held}
    if orders is not None:
        found[PROPOSED] = weights_after(portfolio, prices, orders, value)
    weights = {book: {s: w for s, w in sorted(held.items()) if w} for book, held in found.items()}
    return float(value), {book: held for book, held in weights.items() if held}


def _tails(
    ground: Ground, account: Account, value: float, books: Mapping[str, Mapping[str, float]]
) -> tuple[Columns, tuple[str, ...]]:
    if not books:
        return {}, ()
    span = _span(ground, account, {symbol for held in books.values() for symbol in held})
    priced = Priced(span, account.model, account.factor_returns, value)
    return tail_columns(books, priced, ground.books.tail)


def _earned(ground: Ground, account: Account, value: float) -> tuple[Columns, tuple[str, ...]]:
    before = account.before
    if before is None or before.currency != account.snapshot.base_currency:
        return {}, ()
    span = _span(ground, account, before.quantities)
    try:
        return held_columns(before, span, value, account.model, account.factor_returns), ()
    except DataError as error:
        return {}, (f"what it earned since {before.pack_id} is not told: {error}",)


def _span(ground: Ground, account: Account, symbols: Collection[str]) -> Span:
    """The prices of some names, as many sessions as tails look back."""
    names, sessions = tuple(sorted(symbols)), ground.books.tail.lookback_days + 1
    return Span(ground.market, names, names, account.snapshot.base_currency, sessions, ground.once)
