"""What a stage computes from: the newest versions of other assets, as its ledger rows name them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resources.books.orders import cut_at, pack_before
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack

PREVIOUS = "previous_"  # before an asset's name: of the pack before, as on record when this one was cut


def inputs_of(
    con: Connection, pack: Pack, assets: Sequence[str], portfolio_id: str | None = None
) -> dict[str, str]:
    """Asset -> content hash of its newest version under a pack: what a ledger row names as its inputs."""
    rows = con.execute(
        "select asset, coalesce(portfolio_id, '') as portfolio, arg_max(content_hash, materialization) "
        "from versions where pack_id = ? and asset in (select unnest(?)) "
        "and (portfolio_id is null or portfolio_id = ?) group by all order by asset",
        [pack.id, list(assets), portfolio_id],
    ).fetchall()
    return {"pricing_pack": pack.content_hash, **{str(asset): str(digest) for asset, _, digest in rows}}


@dataclass(frozen=True)
class Inputs:
    """The newest versions of some assets under a pack, as one look found them.

    shared  asset -> content hash, of what has no portfolio
    own     portfolio -> the same, of what has
    """

    assets: tuple[str, ...]
    shared: Mapping[str, str]
    own: Mapping[str, Mapping[str, str]]

    def of(self, portfolio_id: str) -> dict[str, str]:
        """What a ledger row of that portfolio names as its inputs."""
        return {**self.shared, **self.own.get(portfolio_id, {})}


def read_inputs(
    con: Connection, pack: Pack, assets: Sequence[str], portfolios: Sequence[str] | None = None
) -> Inputs:
    """What is computed from these assets rests on, for some portfolios of a pack, or all.

    assets  of this pack; `previous_<asset>` is that of the pack before
    """
    rows = con.execute(
        "select asset, portfolio_id, arg_max(content_hash, materialization) from versions "
        "where pack_id = $1 and asset in (select unnest($2)) "
        "and ($3 is null or portfolio_id is null or portfolio_id in (select unnest($3::varchar[]))) group by all",
        [pack.id, list(assets), None if portfolios is None else list(portfolios)],
    ).fetchall()
    if earlier := [asset.removeprefix(PREVIOUS) for asset in assets if asset.startswith(PREVIOUS)]:
        rows += _of_pack_before(con, pack, earlier)
    own: dict[str, dict[str, str]] = {}
    for asset, portfolio, digest in rows:
        if portfolio is not None:
            own.setdefault(str(portfolio), {})[str(asset)] = str(digest)
    shared = {str(asset): str(digest) for asset, portfolio, digest in rows if portfolio is None}
    return Inputs(tuple(assets), {"pricing_pack": pack.content_hash, **shared}, own)


def _of_pack_before(con: Connection, pack: Pack, assets: Sequence[str]) -> list[tuple[str, ...]]:
    cut = cut_at(con, pack)
    before = pack_before(con, pack, cut)
    if before is None:
        return []
    return con.execute(
        "select ? || asset, portfolio_id, arg_max(content_hash, materialization) from versions "
        "where pack_id = ? and asset in (select unnest(?)) and materialization < ? group by all",
        [PREVIOUS, before.id, list(assets), cut],
    ).fetchall()
