"""How a stage of portfolios comes to its rows: what is on record stands, the rest is computed where the desk says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assets.shared.portfolio_rows import Batch, opened, record_each
from resources.dagster_resources import Stage
from resources.fleet.engines import compute
from resources.fleet.work import read_work
from resources.ledger.ledger import Entry
from resources.packs.packs import Pack
from resources.results.accounts.answers import Answers
from resources.results.accounts.up_to_date import standing
from resources.results.stage_inputs import Inputs
from resources.store.transaction import Transaction


@dataclass(frozen=True)
class Written:
    """What a stage wrote.

    entries  the version of each portfolio, by its name: of now, or of an earlier run where nothing changed since
    answers  what was computed now
    told     portfolio -> what a reader must hear of it, also of what stands
    names    portfolio -> its name
    """

    pack: Pack
    entries: Sequence[Entry]
    answers: Answers
    told: Mapping[str, Sequence[str]]
    names: dict[str, str]

    def lines(self) -> list[str]:
        """What a reader must hear, by the names of the portfolios."""
        return [
            f"{name}: {said}"
            for portfolio, name in self.names.items()
            for said in self.told.get(portfolio, ())
        ]


def computed(
    stage: Stage, asset: str, partition_key: str, inputs: Sequence[str], *, due: bool = True
) -> Written:
    """Computes and records one stage of all portfolios of a partition's pack; of none where it is not `due`.

    A portfolio whose inputs, configuration and code are those of its version on record is not computed again.
    """
    with stage.read() as con:
        pack, known, seen = opened(con, stage, partition_key, inputs)
        snapshots = known if due else []
        stands = standing(con, asset, pack, seen, stage.stamp, stage.desk)
        changed = [snapshot for snapshot in snapshots if snapshot.portfolio_id not in stands]
        work = read_work(con, pack, asset, changed, stage.desk) if changed else None
    name = f"{stage.stamp.run_id}-{asset}"
    answers = compute(work, stage.desk, stage.warehouse.home, name) if work else Answers({}, {})
    entries = {portfolio: stood.entry for portfolio, stood in stands.items()}
    if answers.stated:
        with stage.write() as tx:
            entries |= _recorded(tx, asset, pack, answers, seen)
    told = {**{portfolio: stood.told for portfolio, stood in stands.items()}, **answers.told}
    names = {snapshot.portfolio_id: snapshot.name for snapshot in snapshots}
    return Written(pack, [entries[portfolio] for portfolio in names], answers, told, names)


def _recorded(tx: Transaction, asset: str, pack: Pack, answers: Answers, seen: Inputs) -> dict[str, Entry]:
    entries = record_each(tx, asset, pack, Batch(answers.tables, answers.stated, answers.told), seen)
    return dict(zip(answers.stated, entries, strict=True))
