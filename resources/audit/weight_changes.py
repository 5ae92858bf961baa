"""Why a weight changed between two packs: the differences are swapped in part after part, each time solved anew."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from optimizer import CompiledPolicy, DataError, FundExposureMap, PackfolioError
from optimizer.proposals.proposal import believe
from resources.accounts.keys import key_of
from resources.audit.replay import recorded_configuration
from resources.books.snapshots import Snapshot, read_snapshots
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack, find_pack
from resources.results.estimates.pack_estimates import estimate_evidence, load_case
from resources.settings.configuration import Configuration, load_configuration
from resources.store.query_rows import Row, rows

Weights = dict[str, float]


@dataclass(frozen=True, eq=False)
class State:
    """Everything the weights of a portfolio follow from.

    prices     the pack of prices, rates and facts
    estimates  the pack of the return history
    """

    prices: Pack
    estimates: Pack
    snapshot: Snapshot
    funds: FundExposureMap


Step = Callable[[State, State], State]


def _universe(now: State, new: State) -> State:
    goal = new.snapshot
    symbols = tuple(sorted({*goal.symbols, *now.snapshot.holdings.quantities}))
    return _with(
        now,
        symbols=symbols,
        investable=goal.investable,
        excluded=goal.excluded,
        benchmark=goal.benchmark,
        prior=goal.prior,
    )


def _with(state: State, **fields: object) -> State:
    return replace(state, snapshot=replace(state.snapshot, **fields))  # type: ignore[arg-type]


# In this order, which is printed with the answer: another order would share out the interactions otherwise.
STEPS: dict[str, Step] = {
    "universe": _universe,
    "prices": lambda now, new: replace(now, prices=new.prices),
    "estimates": lambda now, new: replace(now, estimates=new.estimates),
    "views": lambda now, new: _with(now, views=new.snapshot.views),
    "holdings": lambda now, new: _with(now, holdings=new.snapshot.holdings, symbols=new.snapshot.symbols),
    "policy": lambda now, new: new,
}
CODE, LATER_CODE = "code", "later code"


def weight_changes(con: Connection, since: str, pack_id: str, portfolio: str) -> Row:
    """The change of each target weight from pack `since` to `pack_id`, in parts that add up to it.

    code        the old inputs under today's code, less the stored old weights
    later code  the stored new weights, less the new inputs under today's code
    A part that cannot be solved by itself is told together with the next.
    Raises PolicyError for an unknown portfolio, DataError where a pack has no weights for it.
    """
    old, new = (portfolio_state(con, find_pack(con, name), portfolio) for name in (since, pack_id))
    before, after = _stored(con, old), _stored(con, new)
    solved = [(CODE, solved_weights(con, old))]
    waiting: list[str] = []
    state = old
    for name, step in STEPS.items():
        state = step(state, new)
        waiting.append(name)
        try:
            solved.append((" and ".join(waiting), solved_weights(con, state)))
        except PackfolioError:
            if state is new:
                raise
            continue
        waiting = []
    solved.append((LATER_CODE, after))
    return {
        "from": old.prices.id,
        "to": new.prices.id,
        "portfolio": new.snapshot.name,
        "order": [name for name, _ in solved],
        "weights": _parts(before, solved),
    }


def _parts(before: Weights, solved: list[tuple[str, Weights]]) -> list[Row]:
    after = solved[-1][1]
    table = []
    for symbol in sorted({*before, *(name for _, weights in solved for name in weights)}):
        parts, last = {}, before.get(symbol, 0.0)
        for name, weights in solved:
            parts[name] = weights.get(symbol, 0.0) - last
            last = weights.get(symbol, 0.0)
        start, end = before.get(symbol, 0.0), after.get(symbol, 0.0)
        table.append({"symbol": symbol, "before": start, "after": end, "change": end - start, "parts": parts})
    return table


def portfolio_state(con: Connection, pack: Pack, portfolio: str) -> State:
    """What a portfolio's weights under a pack followed from; raises PolicyError or DataError where it had none."""
    known = read_snapshots(con, pack)
    names = [(one.portfolio_id, one.name) for one in known]
    key = key_of(names, portfolio, f"{pack.id} has no portfolio {portfolio!r}")
    (found,) = [one for one in known if one.portfolio_id == key]
    if found.problem:
        raise DataError(f"{found.name} had no weights under {pack.id}: {found.problem}")
    return State(pack, pack, found, configuration_of(con, pack).funds)


def configuration_of(con: Connection, pack: Pack) -> Configuration:
    """The desk's configuration as the pack recorded it."""
    with TemporaryDirectory() as folder:
        recorded_configuration(con, pack, Path(folder))
        return load_configuration(Path(folder))


def _stored(con: Connection, state: State) -> Weights:
    found = rows(
        con,
        "select symbol, weight from latest_optimal_weights where pack_id = ? and portfolio_id = ? order by symbol",
        [state.prices.id, state.snapshot.portfolio_id],
    )
    if not found:
        raise DataError(
            f"{state.snapshot.name} has no weights under {state.prices.id}; see `packfolio trades`"
        )
    return {row["symbol"]: row["weight"] for row in found}


def solved_weights(con: Connection, state: State) -> Weights:
    """Symbol -> target weight, fraction of NAV, solved anew under today's code."""
    found = estimate_evidence(con, state.estimates, state.snapshot.recipe())
    case = load_case(con, state.prices, state.snapshot, state.funds, found)
    inputs = case.inputs
    _, believed = believe(case.evidence, inputs.universe, inputs.policy, case.mandate)
    compiled = CompiledPolicy(believed, inputs.policy, inputs.universe, case.mandate)
    solution = compiled.choose_weights(case.portfolio, case.prices)
    return dict(zip(solution.symbols, solution.weights.tolist(), strict=True))
