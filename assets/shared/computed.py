"""How a stage of portfolios comes to its rows: what is on record stands, the rest is computed where the desk says."""

from collections.abc import Sequence
from dataclasses import dataclass

from assets.shared.portfolio_rows import Batch, opened, record_each
from resources.dagster_resources import Stage
from resources.fleet.engines import compute
from resources.fleet.work import read_work
from resources.ledger.ledger import Entry
from resources.packs.packs import Pack
from resources.results.accounts.answers import Answers
from resources.results.accounts.standing import standing
from resources.results.stage_inputs import Inputs
from resources.store.transaction import Transaction


@dataclass(frozen=True)
class Written:
    """What a stage wrote.

    entries  the version of each portfolio, by its name: of now, or of an earlier run where nothing changed since
    answers  what was computed now
    names    portfolio -> its name
    """

    pack: Pack
    entries: Sequence[Entry]
    answers: Answers
    names: dict[str, str]

    def told(self) -> list[str]:
        """What a reader must hear of the portfolios computed now."""
        return [
            f"{self.names[portfolio]}: {said}"
            for portfolio, words in self.answers.told.items()
            for said in words
        ]


def computed(
    stage: Stage, asset: str, partition_key: str, inputs: Sequence[str], *, due: bool = True
) -> Written:
    """Computes and records one stage of all portfolios of a partition's pack; of none where it is not `due`.

    A portfolio whose inputs, configuration and code are those of its version on record is not computed again.
    """
    pack, known, seen = opened(stage, partition_key, inputs)
    snapshots = known if due else []
    with stage.read() as con:
        stands = standing(con, asset, pack, seen, stage.stamp, stage.desk)
        changed = [snapshot for snapshot in snapshots if snapshot.portfolio_id not in stands]
        work = read_work(con, pack, asset, changed, stage.desk) if changed else None
    name = f"{stage.stamp.run_id}-{asset}"
    answers = compute(work, stage.desk, stage.warehouse.home, name) if work else Answers({}, {})
    with stage.write() as tx:
        entries = stands | _recorded(tx, asset, pack, answers, seen)
    names = {snapshot.portfolio_id: snapshot.name for snapshot in snapshots}
    return Written(pack, [entries[portfolio] for portfolio in names], answers, names)


def _recorded(tx: Transaction, asset: str, pack: Pack, answers: Answers, seen: Inputs) -> dict[str, Entry]:
    entries = record_each(tx, asset, pack, Batch(answers.tables, answers.stated), seen)
    return dict(zip(answers.stated, entries, strict=True))
