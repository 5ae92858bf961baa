"""A sweep on demand: the policies of a pack's portfolios under a grid of their own keys, kept nowhere."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from optimizer import DataError, FundExposureMap, PackfolioError
from optimizer.backtests.report import KNOWLEDGE
from resources.books.snapshots import Snapshot
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.estimates.pack_estimates import load_case
from resources.results.pack_notes import notes_of
from resources.results.replays.checkpoints import Checkpoints
from resources.results.replays.pack_backtests import EQUAL, Replay, backtest, replay_past
from resources.settings.configuration import BacktestFile, Configuration
from resources.settings.policies.limit_words import reason_of
from resources.store.code_version import code_version

if TYPE_CHECKING:
    from optimizer import BacktestResult

BLOCKS = 10
DAYS_A_BLOCK = 5
Progress = Callable[[str, int, int], None]


def sweep_policies(
    con: Connection,
    pack: Pack,
    desk: Configuration,
    settings: BacktestFile,
    snapshots: Sequence[Snapshot],
    cache: Path,
    progress: Progress,
) -> dict[str, Any]:
    """The measures of each policy under the grid of `settings.sweep`, beside its own and equal weights.

    cache     folder for the decisions made so far: an interrupted sweep goes on from them
    progress  called with (portfolio, decisions done, of)
    A portfolio that cannot be replayed is in `failed` with its reason.
    """
    told: dict[str, Any] = {"portfolios": {}, "trials": {}, "probability_of_overfitting": {}, "failed": {}}
    warned: list[str] = []
    for snapshot in snapshots:
        key = "\n".join([pack.content_hash, repr(snapshot), desk.digest, code_version(), repr(settings)])
        kept = Checkpoints(cache, key)
        try:
            replay = _sweep(con, pack, desk.funds, settings, snapshot, kept, partial(progress, snapshot.name))
        except PackfolioError as error:
            told["failed"][snapshot.name] = reason_of(error)
            continue
        kept.finish()
        found = replay.results
        warned += [f"{snapshot.name}: {note}" for note in replay.notes]
        tried = [result for name, result in found.items() if name != EQUAL]
        told["portfolios"][snapshot.name] = {name: _told(result.metrics) for name, result in found.items()}
        told["trials"][snapshot.name] = len(tried)
        told["probability_of_overfitting"][snapshot.name] = _overfitting(tried)
    notes = [*notes_of(con, pack), f"Backtest: {KNOWLEDGE[settings.knowledge]}", *warned]
    return {"pack_id": pack.id, "notes": notes, "sweep": settings.sweep, **told}


def _sweep(
    con: Connection,
    pack: Pack,
    funds: FundExposureMap,
    settings: BacktestFile,
    snapshot: Snapshot,
    kept: Checkpoints,
    progress: Callable[[int, int], None],
) -> Replay:
    if snapshot.problem:
        raise DataError(snapshot.problem)
    case = load_case(con, pack, snapshot, funds)
    return backtest(case, replay_past(con, pack, case, settings), settings, pack.as_of, kept, progress)


def _overfitting(tried: "Sequence[BacktestResult]") -> float | None:
    """How often the best in half of the time was below the middle in the other; None where that has no answer."""
    from optimizer import probability_of_overfitting

    returns = pd.concat([result.returns for result in tried], axis=1)
    if len(tried) < 2 or len(returns) < DAYS_A_BLOCK * BLOCKS:
        return None
    return probability_of_overfitting(returns, BLOCKS)


def _told(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if isfinite(value) else None for name, value in metrics.items()}
