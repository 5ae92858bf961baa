"""What the service says of a pack is what the run recorded, also after an earlier day was revised."""

import asyncio

import pytest
from typed_desk import REVISED, THURSDAY, Typed

from service import OptimizerService
from service.desk import Desk
from service.settings import Settings

pytestmark = pytest.mark.xdist_group("terminal")


@pytest.mark.parametrize("pack", [THURSDAY, REVISED])
@pytest.mark.parametrize("book", ["book", "paper"])
def test_the_service_gives_the_recorded_trades_and_reasons(typed: Typed, pack: str, book: str) -> None:
    desk = Desk(Settings(typed.at.home, typed.at.config, typed.at.folder / "decisions.jsonl"))
    (recorded,) = typed.at.read("trades", pack, "--portfolio", book)["portfolios"]
    with desk.read() as reading:
        (snapshot,) = [one for one in reading.snapshots(reading.pack(pack)) if one.name == book]
    policy = snapshot.policy.model_dump(mode="json", exclude_none=True)
    answer = asyncio.run(OptimizerService(desk).propose_trades(book, policy, pack))
    desk.published.close()
    assert {one["symbol"]: (one["action"], one["rationale"]) for one in answer["trades"]} == {
        one["symbol"]: (one["action"], one["rationale"]) for one in recorded["trades"]
    }
