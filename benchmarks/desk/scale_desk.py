"""A desk of many accounts in a temporary folder, for `scale.py`: its stages, and the library on the same."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
SYMBOLS, DAYS, MODELS, NAMES = 200, 800, 10, 60
LEFT, MOVING = 3, 50  # names that a model has left, and one account of how many still holds them
STAGES = ("posterior_returns", "optimal_weights", "trades", "impact", "tail_risk", "hedges")
COMPUTED = 1000  # accounts at most whose stages are measured without tables and ledger


def cpu(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` gives, and its CPU seconds in this process."""
    began = time.process_time()
    found = work()
    return found, time.process_time() - began


def write_desk(folder: Path) -> list[date]:
    """Models as portfolios, the first again with names that it has left; and prices over 800 sessions, of 200 names and
    what scenarios and hedges ask for.
    """
    from resources.results.scenario_inputs import wanted_symbols
    from resources.settings.playbooks import load_playbooks

    rng = np.random.default_rng(7)
    names = [f"S{number:03d}" for number in range(SYMBOLS)]
    config = folder / "config"
    (config / "portfolios").mkdir(parents=True)
    (folder / "inbox").mkdir()
    for name in ("funds.yaml", "scenarios.yaml", "hedges.yaml", "regimes.yaml"):
        (config / name).write_text((ROOT / "config" / name).read_text("utf-8"), encoding="utf-8")
    (config / "pipeline.yaml").write_text("checks: {coverage: 0.8}\n")
    (config / "sources.yaml").write_text(
        "sources:\n  - {name: inbox, kind: folder, path: ../inbox, basis: as_traded}\n"
    )
    for number in range(MODELS):
        own = sorted(rng.choice(names, NAMES, replace=False))
        _write_model(config / "portfolios", f"model{number}", number, own, [])
        if not number:
            gone = [name for name in names if name not in own][:LEFT]
            _write_model(config / "portfolios", "moving", MODELS, own, gone)
    days, priced = sessions(), [*names, *sorted(wanted_symbols(load_playbooks(config)))]
    market = rng.normal(3e-4, 0.008, (len(days), 1))
    own_moves = rng.normal(0, 0.012, (len(days), len(priced)))
    closes = rng.uniform(20, 300, len(priced)) * np.exp(
        np.cumsum(market * rng.uniform(0.5, 1.5, len(priced)) + own_moves, axis=0)
    )
    lines = [
        f"{name},{day},{closes[row, place]:.4f}"
        for row, day in enumerate(days)
        for place, name in enumerate(priced)
    ]
    (folder / "inbox" / "history.csv").write_text("symbol,date,close\n" + "\n".join(lines) + "\n")
    return days


def _write_model(folder: Path, name: str, number: int, universe: list[str], held: list[str]) -> None:
    positions = ", ".join(f"{symbol}: 100" for symbol in held)
    (folder / f"{name}.yaml").write_text(
        f"id: 00000000-0000-0000-0000-0000000000{number:02d}\nname: {name}\nmode: live\n"
        f"universe: [{', '.join(universe)}]\n"
        "policy: {max_single_position_pct: 10, risk_free_rate: 0.02, max_turnover_pct: 30}\n"
        f"holdings:\n  - {{as_of: 2021-01-04, cash: 1000000, positions: {{{positions}}}}}\n"
    )


def sessions() -> list[date]:
    """The sessions of New York that end on 2024-02-29."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start="2020-01-02")
    return [day.date() for day in calendar.sessions_in_range("2020-06-01", "2024-02-29")][-DAYS:]


class Bench:
    """The desk with its pack, to which accounts are added."""

    def __init__(self, folder: Path, engine: str) -> None:
        days = write_desk(folder)
        os.environ.update(PACKFOLIO_HOME=str(folder / "home"), PACKFOLIO_CONFIG=str(folder / "config"))
        import dagster as dg

        from pipeline import runs
        from resources.settings.fleet import FleetFile

        with dg.DagsterInstance.ephemeral() as instance:
            runs.ingest(instance)
            done = runs.run_pack(instance, days[-1])
        if done.status:
            raise SystemExit(f"the desk's own run ended with {done.status}: {done.reason}")
        self.store, self.desk = runs.warehouse(), replace(runs.desk(), fleet=FleetFile(engine=engine))
        self.key = f"PP_{days[-1]}"

    def stage(self) -> Any:
        """One stage of one run."""
        from resources.dagster_resources import Stage
        from resources.ledger.ledger import Stamp
        from resources.store.code_version import code_version

        now = datetime.now(UTC).replace(tzinfo=None)
        return Stage(self.store, self.desk, Stamp("bench", now, code_version(), self.desk.digest))

    def add(self, start: int, stop: int) -> None:
        """Accounts of 20 to 60 names, as snapshots of the models; one of fifty holds what its model has left, too."""
        from resources.books.snapshots import read_snapshots

        stage = self.stage()
        with stage.read() as con:
            pack = stage.pack(con, self.key)
            known = {one.name: one for one in read_snapshots(con, pack)}
            prices = dict(
                con.execute(
                    "select symbol, arg_max(close, date) from prices where date <= ? group by 1", [pack.as_of]
                ).fetchall()
            )
        self.write([_account(number, known[_model_of(number)], prices) for number in range(start, stop)])

    def write(self, snapshots: Sequence[Any]) -> None:
        """Snapshots as the stage before writes them."""
        from assets.shared.portfolio_rows import record_each
        from resources.results.stage_inputs import Inputs

        stage = self.stage()
        with stage.write() as tx:
            pack = stage.pack(tx.con, self.key)
            seen = Inputs((), {"pricing_pack": pack.content_hash}, {})
            record_each(tx, "portfolio_snapshots", pack, {one: one.frames() for one in snapshots}, seen)

    def run(self) -> dict[str, float]:
        """All stages; CPU seconds of each, tables and ledger written."""
        from assets import hedges, impact, optimal_weights, posterior_returns, tail_risk, trades
        from assets.shared.computed import computed

        modules = (posterior_returns, optimal_weights, trades, impact, tail_risk, hedges)
        found = {}
        for name, module in zip(STAGES, modules, strict=True):
            found[name] = cpu(lambda n=name, m=module: computed(self.stage(), n, self.key, m.INPUTS))[1]
        return found | {"publish": cpu(self.store.publish)[1]}

    def computed(self) -> dict[str, float]:
        """The same without a ledger: reading and mathematics alone."""
        return {name: cpu(lambda n=name: self._answers(n))[1] for name in STAGES}

    def _answers(self, name: str) -> Any:
        from resources.books.snapshots import read_snapshots
        from resources.fleet.engines import compute
        from resources.fleet.work import read_work

        stage = self.stage()
        with stage.read() as con:
            pack = stage.pack(con, self.key)
            work = read_work(con, pack, name, read_snapshots(con, pack)[:COMPUTED], self.desk)
        return compute(work, self.desk, self.store.home, "bench")

    def library(self, number: int) -> tuple[float, float]:
        """CPU seconds an account of the library alone, on estimates, sensitivities and prices that are there.

        Beliefs, weights and whole shares; and with impact, tails, scenarios and hedges: the mathematics of all stages.
        """
        from optimizer import propose
        from optimizer.proposals.proposal import believe, orders_impact
        from resources.results.risk_outputs import lost, plans

        books = self.desk.playbooks
        told, tails = self._known(number)
        known = [(case, case.inputs.policy, case.inputs.universe, book) for case, book in told]
        found: dict[int, Any] = {}

        def solve() -> None:
            for place, (case, policy, universe, _) in enumerate(known):
                found[place] = propose(
                    case.portfolio, case.prices, case.evidence, policy, universe, case.mandate
                )

        def judge() -> None:
            for place, (case, policy, universe, book) in enumerate(known):
                trades = found[place].trades.trades()
                orders = {one.symbol: (one.quantity, one.cost) for one in trades}
                orders_impact(
                    case.portfolio,
                    case.prices,
                    orders,
                    case.evidence,
                    policy,
                    universe,
                    case.mandate,
                    beliefs[place],
                )
                tell_tails(tails, case, orders)
                found_lost = lost(book, [*books.scenarios.values()], books.instruments, books.hedge_limits)
                plans([found_lost], books.hedge_limits)

        alone = cpu(solve)[1] / len(known)
        beliefs = [
            believe(case.evidence, universe, policy, case.mandate) for case, policy, universe, _ in known
        ]
        return alone, alone + cpu(judge)[1] / len(known)

    def _known(self, number: int) -> tuple[list[tuple[Any, Any]], Any]:
        """The cases of some accounts, and what is held of each with its sensitivities; what tails are told from."""
        from resources.books.snapshots import read_snapshots
        from resources.fleet.work import read_work
        from resources.results.scenario_inputs import exposed_on

        stage = self.stage()
        with stage.read() as con:
            pack = stage.pack(con, self.key)
            shown = read_snapshots(con, pack)[:number]
            own, tails, hedging = (
                read_work(con, pack, name, shown, self.desk)
                for name in ("optimal_weights", "tail_risk", "hedges")
            )
        cases = [own.ground.case(one.snapshot, one.known(), one.key) for one in own.accounts]
        ground = hedging.ground
        return [
            (case, exposed_on(ground.market, case, ground.funds, ground.books, ground.once)) for case in cases
        ], tails.ground

    def change_one(self) -> None:
        """One account holds ten shares more of one name."""
        from resources.books.snapshots import read_snapshots

        stage = self.stage()
        with stage.read() as con:
            found = read_snapshots(con, stage.pack(con, self.key))[0]
        held = dict(found.holdings.quantities)
        symbol = next(iter(held))
        held[symbol] += 10
        self.write([replace(found, holdings=replace(found.holdings, quantities=held))])


def tell_tails(ground: Any, case: Any, orders: dict[str, Any]) -> None:
    """The tails of a book as held and as proposed, from prices that were read."""
    from resources.results.accounts.tails import books_of
    from resources.results.sensitivities.priced_dates import Span
    from resources.results.tails.risks import Priced, tail_columns

    value, books = books_of(case.portfolio, case.prices, orders)
    names = tuple(sorted({symbol for book in books.values() for symbol in book}))
    settings = ground.books.tail
    currency, sessions = case.snapshot.base_currency, settings.lookback_days + 1
    span = Span(ground.market, names, names, currency, sessions, ground.once)
    tail_columns(books, Priced(span, None, None, value), settings)


def _model_of(number: int) -> str:
    return "moving" if number % MOVING == MOVING - 1 else f"model{number % MODELS}"


def _account(number: int, model: Any, prices: dict[str, float]) -> Any:
    rng = np.random.default_rng([11, number])
    count = int(rng.integers(20, NAMES + 1))
    held = sorted([*rng.choice(model.investable, count, replace=False), *model.holdings.quantities])
    nav, weights = float(rng.uniform(2e5, 5e6)), rng.dirichlet(np.full(len(held), 3.0))
    shares = {
        s: Decimal(int(0.97 * nav * w / prices[s])) for s, w in zip(held, weights.tolist(), strict=True)
    }
    own = replace(
        model.holdings, quantities={s: q for s, q in shares.items() if q}, cash=Decimal(int(0.03 * nav))
    )
    name = f"a{number:06d}"
    return replace(model, portfolio_id=name, name=name, holdings=own)
