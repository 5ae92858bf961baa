"""What is on record and stands: computed from the same, by the same code, under the same settings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from resources.ledger.ledger import Connection, Entry, Stamp
from resources.packs.packs import Pack
from resources.results.stage_inputs import Inputs
from resources.settings.configuration import Configuration

# What a snapshot tells in full; a change of these files shows in it.
IN_SNAPSHOTS = "portfolios/"


@dataclass(frozen=True)
class Stands:
    """A version that stands, and what a reader must hear of its portfolio."""

    entry: Entry
    told: tuple[str, ...]


def standing(
    con: Connection, asset: str, pack: Pack, seen: Inputs, stamp: Stamp, desk: Configuration
) -> dict[str, Stands]:
    """Portfolio -> its newest version of `asset` under a pack, where computing it again would give the same.

    What rests on the losses of earlier packs stands no more once one of these was computed again.
    """
    rows = con.execute(
        "with newest as (from versions where asset = $1 and pack_id = $2 and portfolio_id is not null "
        "qualify row_number() over (partition by portfolio_id order by materialization desc) = 1) "
        "select n.portfolio_id, m.id, n.content_hash, n.rows, n.told, m.input_hashes, n.input_hashes, m.config_hash "
        "from newest n join materializations m on m.id = n.materialization where m.code_version = $3",
        [asset, pack.id, stamp.code_version],
    ).fetchall()
    alike = {config: _same(con, str(config), desk) for config in {row[7] for row in rows}}
    shared = {text: json.loads(text) for text in {row[5] for row in rows}}
    restless = _restless(con, pack)
    return {
        portfolio: Stands(
            Entry(number, content, height, changed=False), tuple(json.loads(told)) if told else ()
        )
        for portfolio, number, content, height, told, whole, own, config in rows
        if alike[config]
        and {**shared[whole], **json.loads(own)} == seen.of(portfolio)
        and restless.get(portfolio, 0) < number
    }


def _same(con: Connection, config_hash: str, desk: Configuration) -> bool:
    """Whether a recorded configuration says the same as today's of all that no snapshot holds."""
    if config_hash == desk.digest:
        return True
    found = con.execute("select text from configs where config_hash = ?", [config_hash]).fetchall()
    return bool(found) and _settings(found[0][0]) == _settings(desk.text)


def _settings(text: str) -> Mapping[str, str]:
    return {name: told for name, told in json.loads(text).items() if not name.startswith(IN_SNAPSHOTS)}


def _restless(con: Connection, pack: Pack) -> dict[str, int]:
    """Portfolio that has tax lots -> the newest ledger row of it under another pack."""
    return dict(
        con.execute(
            "select portfolio_id, max(materialization) from versions where pack_id <> ? and portfolio_id in "
            "(select portfolio_id from latest_tax_lots where pack_id = ?) group by portfolio_id",
            [pack.id, pack.id],
        ).fetchall()
    )
