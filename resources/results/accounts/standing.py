"""What is on record and stands: computed from the same, by the same code, under the same settings."""

import json
from collections.abc import Mapping

from resources.ledger.ledger import Connection, Entry, Stamp
from resources.packs.packs import Pack
from resources.results.stage_inputs import Inputs
from resources.settings.configuration import Configuration

# What a snapshot tells in full; a change of these files shows in it.
IN_SNAPSHOTS = "portfolios/"


def standing(
    con: Connection, asset: str, pack: Pack, seen: Inputs, stamp: Stamp, desk: Configuration
) -> dict[str, Entry]:
    """Portfolio -> its newest version of `asset` under a pack, where computing it again would give the same.

    Of a portfolio that had no rows nothing stands: why it had none is told by computing it again. Nor does what rests
    on the losses of earlier packs, once one of these was computed again.
    """
    rows = con.execute(
        "select m.portfolio_id, m.id, m.content_hash, m.rows, m.input_hashes, m.code_version, m.config_hash "
        "from materializations m where m.asset = ? and m.pack_id = ? and m.portfolio_id is not null and m.rows > 0 "
        "qualify row_number() over (partition by m.portfolio_id order by m.id desc) = 1 and m.code_version = ?",
        [asset, pack.id, stamp.code_version],
    ).fetchall()
    alike = {config: _same(con, str(config), desk) for config in {row[6] for row in rows}}
    restless = _restless(con, pack)
    return {
        portfolio: Entry(number, content, height, changed=False)
        for portfolio, number, content, height, inputs, _, config in rows
        if alike[config] and json.loads(inputs) == seen.of(portfolio) and restless.get(portfolio, 0) < number
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
            "select portfolio_id, max(id) from materializations where pack_id <> ? and portfolio_id in "
            "(select portfolio_id from latest_tax_lots where pack_id = ?) group by portfolio_id",
            [pack.id, pack.id],
        ).fetchall()
    )
