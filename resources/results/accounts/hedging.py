"""The stage of hedges: what every scenario costs each portfolio, and what hedges it, for many at once."""

from collections.abc import Sequence

from optimizer import DataError, PackfolioError
from resources.results.accounts.facts import Account
from resources.results.accounts.shared_inputs import Ground
from resources.results.estimates.pack_estimates import Case
from resources.results.risk_outputs import Hedged, Lost, hedge_columns, jumped, lost, with_jumps
from resources.results.scenario_inputs import exposed_on
from resources.results.stage_outputs import Answer

Told = tuple[Answer, tuple[str, ...]]


def hedges_of(ground: Ground, accounts: Sequence[Account]) -> list[Told]:
    """What every scenario would cost each portfolio and the hedges against it; or why that is not told."""
    books, shocks = ground.books, ground.books.by_shocks
    shocked: dict[str, Lost] = {}
    jumps: dict[str, tuple[list[Hedged], list[str]]] = {}
    for account in accounts:
        name = account.snapshot.portfolio_id
        jumped_by, told = jumps[name] = [], []
        try:
            case = _case(ground, account)
        except PackfolioError as error:
            told.append(str(error))
            continue
        if not case.values:
            continue
        try:
            book = exposed_on(ground.market, case, ground.funds, books, ground.once)
            if shocks:
                shocked[name] = lost(book, shocks, books.instruments, books.hedge_limits)
        except PackfolioError as error:
            told.append(str(error))
        for scenario in books.by_factors:
            try:
                jumped_by.append(jumped(case.values, account.model, scenario))
            except PackfolioError as error:
                told.append(str(error))
    as_of = ground.market.pack.as_of
    rows = hedge_columns([*shocked.values()], shocks, as_of, books.hedge_limits) if shocked else []
    answers = dict(zip(shocked, rows, strict=True))
    return [(with_jumps(answers.get(name, {}), found), tuple(told)) for name, (found, told) in jumps.items()]


def _case(ground: Ground, account: Account) -> Case:
    if account.snapshot.problem:
        raise DataError(account.snapshot.problem)
    return ground.case(account.snapshot, account.known(), account.key)
