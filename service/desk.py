"""What the service knows: packs, portfolios and estimates of the published copy, and the desk's configuration."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID

import pandas as pd

from optimizer import DataError, Estimates, FactorModel, PolicyError, Reasons, Recipe
from optimizer.problem.trade_bounds import RESTRICTIONS
from resources.accounts.keys import key_of
from resources.books.lots.tax_lots import read_plan
from resources.books.orders import past_reasons
from resources.books.snapshots import Snapshot, read_snapshots
from resources.books.universes import STALE_SESSIONS
from resources.ledger.ledger import Connection
from resources.packs.near_symbols import strange_symbols, unknown_symbols
from resources.packs.pack_prices import read_panel, window_start
from resources.packs.packs import Pack, find_pack, latest_fresh
from resources.packs.rates import risk_free_rate
from resources.results.estimates.pack_estimates import (
    Case,
    evidence_with_scenarios,
    impact_liquidity,
    load_case,
    notes_of,
)
from resources.results.factor_models.fitting import asks_for_factors
from resources.results.factor_models.recorded import factors_of
from resources.results.pack_inputs import by_factors, under_policy
from resources.settings.configuration import Configuration, load_configuration
from resources.settings.playbooks import Playbooks, load_playbooks
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.view_files import View
from resources.store.warehouse import Warehouse
from service.published import Memory, Published
from service.settings import Settings


class UnknownPackError(DataError):
    """There is no such pack."""


class ConfigurationError(PolicyError):
    """A file that the desk edits cannot be used: no fault of who asks."""


@contextmanager
def _of_the_desk() -> Iterator[None]:
    try:
        yield
    except PolicyError as error:
        raise ConfigurationError(str(error)) from error


@dataclass(frozen=True)
class Reading:
    """One look at the newest published copy."""

    con: Connection
    memory: Memory
    lasting: Memory

    def pack(self, wanted: str) -> Pack:
        """The fresh pack of that ID; raises UnknownPackError, or DataError for a rejected one."""
        found = self.memory.keep(("pack", wanted), lambda: self._find(wanted))
        if not found.fresh:
            raise DataError(
                f"{found.id} is rejected ({found.reason}): nothing may use it; choose a fresh pack"
            )
        return found

    def _find(self, wanted: str) -> Pack:
        try:
            return find_pack(self.con, wanted)
        except (DataError, PolicyError) as error:  # there is none, or there can be none
            raise UnknownPackError(str(error)) from None

    def newest(self) -> Pack:
        """The newest fresh pack."""
        return self.memory.keep(("newest",), lambda: latest_fresh(self.con))

    def snapshots(self, pack: Pack) -> list[Snapshot]:
        """Every portfolio under a pack."""
        return self.memory.keep(("snapshots", pack.id), lambda: read_snapshots(self.con, pack))

    def snapshot(self, pack: Pack, wanted: str | UUID) -> Snapshot:
        """The portfolio of that key, UUID or name; raises PolicyError that lists them."""
        found = self.snapshots(pack)
        known = [(one.portfolio_id, one.name) for one in found]
        key = key_of(known, str(wanted), f"{pack.id} has no portfolio {str(wanted)!r}")
        return next(one for one in found if one.portfolio_id == key)

    def named(self, pack: Pack) -> list[tuple[str, str, str | None]]:
        """Key, name and model of every portfolio under a pack; the model is None of those in YAML."""
        sql = "select portfolio_id, name, model from latest_portfolio_snapshots where pack_id = ? order by 1"
        return self.memory.keep(("named", pack.id), lambda: self.con.execute(sql, [pack.id]).fetchall())

    def superseded_by(self, pack: Pack) -> str | None:
        """The pack that replaces this one."""
        rows = self.memory.keep(
            ("superseded", pack.id),
            lambda: self.con.execute(
                "select pack_id from pricing_packs where supersedes = ? and verdict = 'fresh' order by revision desc",
                [pack.id],
            ).fetchall(),
        )
        return str(rows[0][0]) if rows else None

    def evidence(self, pack: Pack, snapshot: Snapshot) -> Estimates:
        """Estimates with their return scenarios; what the pipeline recorded for the recipe is taken as recorded."""
        recipe = snapshot.recipe()
        key = ("evidence", pack.content_hash, recipe.name)
        return self.lasting.keep(key, lambda: evidence_with_scenarios(self.con, pack, recipe))

    def factors(self, pack: Pack, recipe: Recipe) -> tuple[FactorModel, pd.DataFrame]:
        """The factor model of a recipe's symbols and its factors' returns: as recorded, else fitted."""
        key = ("factors", pack.content_hash, recipe.name)
        return self.lasting.keep(key, lambda: factors_of(self.con, pack, recipe))

    def risk_free_rate(self, pack: Pack, currency: str) -> float:
        """The pack's, per year; raises DataError without one."""
        return self.memory.keep(("rate", pack.id, currency), lambda: risk_free_rate(self.con, pack, currency))


class Desk:
    """Everything a request is answered from; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.published = Published(Warehouse(settings.home, settings.anchor), settings.read_seconds)

    @property
    def playbooks(self) -> Playbooks:
        """Scenarios, hedges, regimes and templates as the files say now; raises ConfigurationError."""
        with _of_the_desk():
            return load_playbooks(self.settings.config)

    @property
    def configuration(self) -> Configuration:
        """The desk's configuration as the files say now; raises ConfigurationError where one cannot be used."""
        with _of_the_desk():
            return load_configuration(self.settings.config)

    @contextmanager
    def read(self) -> Iterator[Reading]:
        """A look at the newest published copy; hold it while reading, never while solving."""
        with self.published.read() as (con, memory):
            yield Reading(con, memory, self.published.lasting)

    def case(
        self,
        pack_id: str,
        portfolio: str | UUID,
        policy: PolicyFile | None = None,
        extra: Iterable[str] = (),
        views: Sequence[View] | None = None,
    ) -> "Loaded":
        """A portfolio under a pack, ready for the optimizer.

        policy, views  in place of the portfolio's own
        extra   symbols beyond the portfolio's, for trades in them
        Raises UnknownPackError, PolicyError for an unknown portfolio, DataError for what a pack does not have.
        """
        digest = self.configuration.digest
        with self.read() as reading:
            pack = reading.pack(pack_id)
            snapshot = reading.snapshot(pack, portfolio)
            more = tuple(sorted(set(extra) - set(snapshot.symbols)))
            loaded = reading.memory.keep(
                ("case", digest, pack.id, snapshot.portfolio_id, more),
                lambda: self._load(reading, pack, snapshot, more),
            )
            if policy is None and views is None:
                return loaded
            return _under(reading, loaded, policy or snapshot.policy, views)

    def _load(self, reading: Reading, pack: Pack, snapshot: Snapshot, extra: tuple[str, ...]) -> "Loaded":
        if snapshot.problem:
            raise DataError(f"{snapshot.name} under {pack.id}: {snapshot.problem}")
        if extra:
            _require_prices(reading, pack, extra)
        told = replace(snapshot, symbols=tuple(sorted({*snapshot.symbols, *extra})))
        replaced = reading.superseded_by(pack)
        notes = [f"{pack.id} is superseded by {replaced}"] if replaced else []
        case = load_case(reading.con, pack, told, self.configuration.funds, reading.evidence(pack, told))
        notes += case.inputs.old_prices()
        return Loaded(pack, case, tuple(notes), past_reasons(reading.con, pack, snapshot.portfolio_id))


def _under(reading: Reading, loaded: "Loaded", policy: PolicyFile, views: Sequence[View] | None) -> "Loaded":
    """The same portfolio under another policy, with the estimates that this one asks for, and other views if any.

    How the portfolio is taxed and what its cash earns are facts about it: a policy that states neither leaves them.
    """
    case = loaded.case
    if policy.tax is None:
        own = case.snapshot.policy
        policy = policy.model_copy(update={"tax": own.tax, "harvest": own.harvest})
    own_rate = case.snapshot.policy.risk_free_rate
    rate = own_rate if policy.risk_free_rate is None else policy.risk_free_rate
    if rate is None:
        rate = reading.risk_free_rate(loaded.pack, case.snapshot.base_currency)
    inputs = under_policy(case.inputs, policy, rate, views)
    recipe = inputs.snapshot.recipe()
    if recipe != case.snapshot.recipe():
        model = reading.factors(loaded.pack, recipe)[0] if asks_for_factors(recipe) else None
        inputs = replace(inputs, universe=by_factors(inputs.universe, model))
    found = reading.evidence(loaded.pack, inputs.snapshot)
    lots = case.snapshot.holdings.lots
    plan = read_plan(reading.con, loaded.pack, case.snapshot.portfolio_id, lots, policy)
    mandate = replace(
        case.mandate,
        views=inputs.views,
        lots=policy.shares_in_a_lot,
        taxes=plan,
        liquidity=impact_liquidity(reading.con, loaded.pack, inputs.snapshot),
        notes=notes_of(inputs),
    )
    told = replace(case, snapshot=inputs.snapshot, inputs=inputs, evidence=found, mandate=mandate)
    return replace(loaded, case=told, notes=(*loaded.notes, *_strangers(reading, loaded.pack, policy)))


def _strangers(reading: Reading, pack: Pack, policy: PolicyFile) -> tuple[str, ...]:
    """What to say of symbols that the policy restricts and nobody knows."""
    named = {symbol: item for item in RESTRICTIONS for symbol in getattr(policy, item)}
    strange = strange_symbols(reading.con, pack, sorted(named))
    return tuple(f"{named[symbol]} names {symbol}: {said}" for symbol, said in strange.items())


def _require_prices(reading: Reading, pack: Pack, symbols: Iterable[str]) -> None:
    """Raises PolicyError naming the symbols that the pack has no recent price of."""
    wanted = sorted(set(symbols))
    panel = read_panel(reading.con, pack, wanted, window_start(reading.con, pack, STALE_SESSIONS))
    if unpriced := [symbol for column, symbol in enumerate(wanted) if panel.last_close(column) is None]:
        unknown = unknown_symbols(reading.con, pack, unpriced)
        told = [symbol + (f" ({unknown[symbol]})" if symbol in unknown else "") for symbol in unpriced]
        raise PolicyError(f"{pack.id} prices no {', '.join(told)}; trade what it prices")


@dataclass(frozen=True, eq=False)
class Loaded:
    """A case with its pack, what the caller should be told of the pack, and what the pack before wanted of it."""

    pack: Pack
    case: Case
    notes: Sequence[str]
    past: Reasons

    @property
    def snapshot(self) -> Snapshot:
        """The portfolio."""
        return self.case.snapshot
