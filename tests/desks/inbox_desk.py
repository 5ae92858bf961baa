"""A configuration with an inbox and a reference folder, and a warehouse that takes in what lies there."""

from datetime import UTC, date, datetime
from pathlib import Path

from bench import new_warehouse, staying_open
from small_desk import FILES

from resources.ledger.ledger import Stamp
from resources.logs.ingest import Inbox
from resources.logs.refused_files import refused_files
from resources.logs.storing import Ingested
from resources.settings.configuration import load_configuration

TODAY = date(2024, 3, 1)
STAMP = Stamp("run", datetime(2024, 3, 1, 22, tzinfo=UTC).replace(tzinfo=None), "code", "config")
HEADER = "symbol,date,close,dividend,split\n"
FIRST = (
    HEADER
    + "AAA,2024-01-02,100,0,1\nAAA,2024-01-03,101,0.5,1\nBBB,2024-01-02,50,0,1\nBBB,2024-01-03,51,0,1\n"
)


def write_folders(folder: Path) -> None:
    """The small desk's configuration with a reference folder, and both folders, empty."""
    for name, text in FILES.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + ("reference_folder: ../reference\n" if name == "sources.yaml" else ""))
    for name in ("inbox", "reference"):
        (folder / name).mkdir()


class Desk:
    """A configuration with a folder source named `inbox`, its reference folder, and a warehouse."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.warehouse = folder, new_warehouse(folder / "home", staying_open)
        write_folders(folder)

    def ingest(self, **files: str) -> list[Ingested]:
        """Put files into the inbox (`actions` into the reference folder) and ingest."""
        for name, text in files.items():
            path = self.folder / (
                "reference/corporate_actions.csv" if name == "actions" else f"inbox/{name}.csv"
            )
            path.write_text(text, encoding="utf-8")
        inbox = Inbox(self.warehouse, load_configuration(self.folder / "config"), STAMP, TODAY)
        return [*inbox.reference(lambda said: None), *inbox.prices(None, None, lambda said: None)]

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with self.warehouse.live() as con:
            return con.execute(sql).fetchall()

    def log(self) -> list[tuple[object, ...]]:
        return self.rows("select symbol, date, close, dividend, split, ingest_seq from prices order by all")


ACTIONS = "symbol,date,kind,value,new_symbol\n"


def newest(desk: Desk, symbol: str) -> list[tuple[object, ...]]:
    return desk.rows(
        "select date, close, dividend, split from prices "
        f"where symbol = '{symbol}' qualify row_number() over (partition by date order by ingest_seq desc) = 1 "
        "order by date"
    )


def refused(desk: Desk, watermark: int | None = None) -> dict[str, str]:
    """The refused payloads -> why, as known at a watermark."""
    with desk.warehouse.live() as con:
        return {file.name: file.reason for file in refused_files(con, watermark)}
