"""What the portfolios of a stage stand on together, and what is worked out once for all that share it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from optimizer import CompiledPolicy, Estimates, FundExposureMap, PackfolioError, Policy
from optimizer.proposals.proposal import Beliefs, believe
from resources.books.snapshots import Snapshot
from resources.packs.markets import Market
from resources.results.estimates.pack_estimates import Case, Own, case_of
from resources.results.pack_inputs import Inputs, inputs_on
from resources.results.stage_outputs import as_json, plain
from resources.settings.playbooks import Playbooks

Found = TypeVar("Found")
MOST_KEPT = 10_000  # answers that portfolios share; beyond, few do, and all are forgotten and made again
MOST_OF_MODELS = 500  # the same of what a model and a mandate have: matrices of all names, megabytes each


@dataclass(frozen=True, eq=False)
class Ground:
    """What all portfolios of a shard stand on; here all shards of a stage, in a worker one.

    evidence   what `evidence_key` gives -> estimates, or why there are none
    simulated  symbols of the whole stage whose prices nobody traded
    """

    market: Market
    evidence: Mapping[str, Estimates | PackfolioError]
    funds: FundExposureMap
    books: Playbooks
    simulated: frozenset[str] = frozenset()
    _kept: dict[object, Any] = field(default_factory=dict, init=False, repr=False)
    _of_models: dict[object, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: object, make: Callable[[], Found]) -> Found:
        """What `make` gives, made once for all that ask by the same key."""
        return _once(self._kept, MOST_KEPT, key, make)

    def _once_a_model(self, key: object, make: Callable[[], Found]) -> Found:
        """The same of what portfolios of one model share; accounts with limits of their own have a model each."""
        return _once(self._of_models, MOST_OF_MODELS, key, make)

    def inputs(self, snapshot: Snapshot) -> Inputs:
        """Prices and facts; those with the same symbols, policy, views and benchmark share them."""
        _, shared = self._once_a_model(
            self._model(snapshot), lambda: (snapshot, inputs_on(self.market, snapshot, self.funds))
        )
        return replace(shared, snapshot=snapshot)

    def case(self, snapshot: Snapshot, own: "Own", key: str) -> Case:
        """One portfolio, ready for the optimizer; raises what stands in place of its estimates."""
        inputs = self.inputs(snapshot)
        found = self.evidence[key]
        if isinstance(found, PackfolioError):
            raise found
        return case_of(inputs, found, own)

    def believe(self, case: Case, key: str) -> tuple[Beliefs | None, Estimates]:
        """The beliefs of a case, once for each model and its estimates."""
        return self._once_a_model(
            ("beliefs", key, self._model(case.snapshot)),
            lambda: believe(case.evidence, case.inputs.universe, case.inputs.policy, case.mandate),
        )

    def compiled(self, case: Case, key: str, policy: Policy) -> CompiledPolicy:
        """A policy read on the believed estimates, once for all accounts that share model and mandate."""
        mandate, (_, believed) = case.mandate, self.believe(case, key)

        def make() -> CompiledPolicy:
            return CompiledPolicy(believed, policy, case.inputs.universe, mandate)

        its_own = mandate.taxes is not None or mandate.liquidity or mandate.frozen
        if its_own or policy is not case.inputs.policy:
            return make()
        shared = (mandate.investable, mandate.notes, mandate.lots)
        return self._once_a_model(("compiled", key, self._model(case.snapshot), shared), make)

    def told(self, policy: Policy) -> Mapping[str, object]:
        """A policy as JSON values."""
        _, found = self._once_a_model(("told", id(policy)), lambda: (policy, plain(as_json(policy))))
        return found

    @staticmethod
    def _model(snapshot: Snapshot) -> object:
        """What portfolios of one model share; `read_snapshots` gives the same object for the same text."""
        shared = (snapshot.policy, snapshot.views, snapshot.benchmark)
        return (snapshot.base_currency, snapshot.prior, snapshot.symbols, snapshot.absent, *map(id, shared))


def _once(kept: dict[object, Any], most: int, key: object, make: Callable[[], Found]) -> Found:
    if key in kept:
        known: Found = kept[key]
        return known
    found = make()
    if len(kept) >= most:
        kept.clear()
    kept[key] = found
    return found
