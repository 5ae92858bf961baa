"""Deliveries into the logs: each payload once and whole, bad rows set aside, what is said again or meanwhile."""

from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from inbox_desk import ACTIONS, FIRST, HEADER, TODAY, Desk, newest

from resources.ledger.ledger import Stamp
from resources.logs.ingest import Inbox, default_as_of
from resources.logs.storing import Ingested, kept_payload
from resources.settings.configuration import load_configuration


def counts(done: list[Ingested]) -> list[tuple[str, int, int, int, int]]:
    return [(item.status, item.new, item.corrected, item.same, item.quarantined) for item in done]


def test_a_file_is_ingested_once_and_its_rows_once(desk: Desk) -> None:
    assert counts(desk.ingest(prices=FIRST)) == [("ingested", 4, 0, 0, 0)]
    before = desk.log(), desk.rows("select * from materializations")
    assert desk.ingest() == []  # known by its key: not even parsed
    assert (desk.log(), desk.rows("select * from materializations")) == before
    assert counts(desk.ingest(copy=FIRST)) == [("ingested", 0, 0, 4, 0)]  # under another name
    assert desk.log() == before[0]


def test_a_changed_value_is_a_new_row_and_the_old_one_stays(desk: Desk) -> None:
    desk.ingest(prices=FIRST)
    (done,) = desk.ingest(later=FIRST.replace("BBB,2024-01-03,51,", "BBB,2024-01-03,52,"))
    assert (done.new, done.corrected, done.same) == (0, 1, 3)
    assert [row[2] for row in desk.log() if row[0] == "BBB" and row[1] == date(2024, 1, 3)] == [51.0, 52.0]


def test_a_close_that_another_file_rounds_is_no_correction(desk: Desk) -> None:
    """Of the finer and the rounded close the finer counts, in either order; half a cent more is a correction."""
    desk.ingest(a=FIRST.replace(",51,", ",51.1249,"))
    (done,) = desk.ingest(b=FIRST.replace(",51,", ",51.12,"))
    assert (done.new, done.corrected, done.same) == (0, 0, 4)
    assert [(one.code, one.count) for one in done.findings if one.code != "NO_DIVIDENDS"] == [
        ("DUPLICATE_ROUNDED", 1)
    ]
    for name, told, right in (("c", "51.13", 51.13), ("d", "51.1285", 51.1285), ("e", "51.13", 51.1285)):
        desk.ingest(**{name: FIRST.replace(",51,", f",{told},")})
        assert newest(desk, "BBB")[-1] == (date(2024, 1, 3), right, 0, 1)


def test_a_volume_that_is_corrected_alone_is_a_correction(desk: Desk) -> None:
    told = "symbol,date,close,volume\nAAA,2024-01-02,51.1249,1000\n"
    desk.ingest(a=told)
    (done,) = desk.ingest(b=told.replace("1000", "2000"))
    assert (done.corrected, [one.code for one in done.findings if one.code == "DUPLICATE_ROUNDED"]) == (1, [])
    (done,) = desk.ingest(c=told.replace("51.1249,1000", "51.12,3000"))  # another vendor's
    assert (done.corrected, done.same) == (0, 1)
    assert desk.rows("select close, volume from prices order by ingest_seq") == [
        (51.1249, 1000),
        (51.1249, 2000),
    ]


def test_a_file_that_is_changed_back_tells_again_what_it_told_first(desk: Desk) -> None:
    changed = FIRST.replace("BBB,2024-01-03,51,", "BBB,2024-01-03,52,")
    for text, close in ((FIRST, 51.0), (changed, 52.0), (FIRST, 51.0), (changed, 52.0)):
        desk.ingest(prices=text)
        assert newest(desk, "BBB")[-1][1] == close
    assert desk.ingest() == []
    said = f"{ACTIONS}BBB,2024-01-03,dividend,{{}},\n"
    for paid in ("0.5", "0.7", "0.5"):
        desk.ingest(actions=said.format(paid))
        assert newest(desk, "BBB")[-1][2] == float(paid)
    assert desk.ingest() == []


def test_what_was_known_earlier_corrects_nothing(desk: Desk) -> None:
    """An old evening's file that comes late, or is read again, does not undo what a later evening restated."""
    evening = "symbol,date,open,high,low,close,volume,adj_close\nAAA,{day},{c},{c},{c},{c},10,{c}\n"
    desk.ingest(prices_20240103=evening.format(day="2024-01-03", c=100))
    desk.ingest(prices_20240104=evening.format(day="2024-01-03", c=101))
    (done,) = desk.ingest(prices_20240102=evening.format(day="2024-01-03", c=99))
    assert (done.corrected, done.same) == (0, 1)
    assert [row[2] for row in desk.log()] == [100.0, 101.0]


def test_a_dividend_that_a_file_cannot_know_stays_as_it_is_on_record(desk: Desk) -> None:
    desk.ingest(prices=FIRST)
    silent = "symbol,date,close\nAAA,2024-01-03,101\nAAA,2024-01-04,102\n"
    (done,) = desk.ingest(
        prices_20240104=silent.replace("close", "close,adj_close")
        .replace("101", "101,101")
        .replace("102", "102,102")
    )
    assert (done.new, done.same) == (1, 1)
    assert [row[3] for row in desk.log() if row[0] == "AAA"] == [0.0, 0.5, 0.0]


def test_a_refused_file_leaves_its_reasons_once_and_nothing_else_and_the_others_go_on(desk: Desk) -> None:
    files = {"a_bad": FIRST.replace("101", "1,01.0"), "b_good": FIRST}
    assert counts(desk.ingest(**files)) == [("rejected", 0, 0, 0, 0), ("ingested", 4, 0, 0, 0)]
    assert counts(desk.ingest()) == [("rejected", 0, 0, 0, 0)]
    recorded = desk.rows("select payload_name, status, message from ingests order by ingest_seq")
    assert [row[:2] for row in recorded] == [("a_bad.csv", "rejected"), ("b_good.csv", "ingested")]
    assert "line" in str(recorded[0][2])


def test_a_bad_row_is_set_aside_with_its_line_and_the_rest_goes_on(desk: Desk) -> None:
    (done,) = desk.ingest(prices=FIRST + "AAA,2024-01-04,-3,0,1\nAAA,2024-01-06,100,0,1\n")
    assert (done.new, done.quarantined) == (4, 2)
    assert desk.rows("select symbol, date, line, code from quarantine order by line") == [
        ("AAA", date(2024, 1, 4), 6, "NON_POSITIVE"),
        ("AAA", date(2024, 1, 6), 7, "NOT_A_SESSION"),
    ]


def test_a_held_split_is_read_again_once_an_action_explains_it(desk: Desk) -> None:
    halved = HEADER + "AAA,2024-01-04,50.5,0,1\nAAA,2024-01-05,51,0,1\n"
    desk.ingest(a=FIRST)
    assert counts(desk.ingest(b=halved)) == [("ingested", 0, 0, 0, 2)]
    assert desk.ingest() == []
    done = desk.ingest(actions="symbol,date,kind,value\nAAA,2024-01-04,split,2\n")
    assert counts(done) == [("ingested", 1, 0, 0, 0), ("ingested", 2, 0, 0, 0)]
    assert [(row[2], row[4]) for row in desk.log() if row[0] == "AAA"][2:] == [(50.5, 2.0), (51.0, 1.0)]
    assert desk.ingest() == []


def test_a_jump_is_seen_against_the_record_even_after_a_long_silence_of_the_log(desk: Desk) -> None:
    """The newest closes are looked up among recent dates; a name that stopped before them is not forgotten."""
    desk.ingest(a=FIRST, b=HEADER + "CCC,2024-02-27,10,0,1\nCCC,2024-02-28,10,0,1\n")
    (done,) = desk.ingest(c=HEADER + "AAA,2024-02-28,50.6,0,1\n")
    assert (done.new, done.quarantined) == (0, 1)
    assert desk.rows("select code from quarantine") == [("SPLIT_UNEXPLAINED",)]


def test_rows_out_of_order_are_stored_by_date(desk: Desk) -> None:
    days = ["2024-01-05", "2024-01-02", "2024-01-04", "2024-01-03"]
    desk.ingest(prices=HEADER + "".join(f"{name},{day},100,0,1\n" for name in ("BBB", "AAA") for day in days))
    stored = desk.rows("select date from prices")  # as they lie in the file
    assert stored == sorted(stored)
    assert len(stored) == 8


def test_the_default_date_is_the_newest_on_record(desk: Desk) -> None:
    desk.ingest(prices=FIRST)
    configuration = load_configuration(desk.folder / "config")
    with desk.warehouse.live() as con:
        newest = default_as_of(con, configuration, desk.folder / "cache", datetime(2024, 3, 1, tzinfo=UTC))
    assert newest == date(2024, 1, 3)


def test_a_source_without_a_currency_takes_that_of_each_security_on_record(desk: Desk) -> None:
    (desk.folder / "reference" / "securities.csv").write_text(
        "symbol,date,currency,simulated\nAAA,2020-01-01,GBX,false\n", encoding="utf-8"
    )
    desk.ingest(first=FIRST)
    told = desk.rows("select distinct symbol, currency from prices order by all")
    assert told == [("AAA", "GBX"), ("BBB", "USD")]


def test_a_closure_that_the_desk_states_is_no_session(desk: Desk) -> None:
    closure = "{exchange: XNYS, date: 2024-01-03, reason: a storm over New York}"
    (desk.folder / "config" / "overrides.yaml").write_text(f"closures: [{closure}]\n")
    (done,) = desk.ingest(prices=FIRST)
    assert (done.new, done.quarantined, done.symbols) == (2, 2, {"AAA", "BBB"})
    assert {row[0] for row in desk.rows("select code from quarantine")} == {"NOT_A_SESSION"}
    other = closure.replace("XNYS", "XTSE")
    (desk.folder / "config" / "overrides.yaml").write_text(f"closures: [{other}]\n")
    (done,) = desk.ingest(again=FIRST)
    assert (done.new, done.quarantined) == (2, 0)


def test_a_delivery_that_another_ingest_takes_meanwhile_is_taken_once(desk: Desk) -> None:
    """The other begins after this one has looked, and ends before it writes: its correction stands."""
    restated = FIRST.replace("AAA,2024-01-02,100", "AAA,2024-01-02,102")
    for name, text in {"one": FIRST, "two": restated}.items():
        (desk.folder / "inbox" / f"{name}.csv").write_text(text, encoding="utf-8")
    stamp = Stamp("run", datetime(2024, 3, 1, 22, tzinfo=UTC).replace(tzinfo=None), "code", "config")
    inbox = Inbox(desk.warehouse, load_configuration(desk.folder / "config"), stamp, TODAY)
    others: list[list[Ingested]] = []

    def meanwhile(said: str) -> None:
        if not others:
            others.append([])
            others[0] = desk.ingest()

    assert inbox.prices(None, None, meanwhile) == []
    assert [item.payload for item in others[0]] == ["one.csv", "two.csv"]
    assert desk.rows("select delivery_key from ingests group by 1 having count(*) > 1") == []
    newest = "select arg_max(close, ingest_seq) from prices where symbol = 'AAA' and date = '2024-01-02'"
    assert desk.rows(newest) == [(102.0,)]


def test_a_kept_payload_is_believed_by_its_hash(desk: Desk) -> None:
    raw, home = b"downloaded", desk.folder / "home"
    delivery: Any = SimpleNamespace(payload=raw, payload_sha256=sha256(raw).hexdigest(), payload_name="a.csv")
    place = home / kept_payload(home, delivery)
    assert place.parent == home / "payloads" and place.read_bytes() == raw
    place.write_bytes(b"replaced")
    assert home / kept_payload(home, delivery) == place
    assert place.read_bytes() == raw


def test_a_file_of_another_currency_is_not_compared_with_the_closes_before(desk: Desk) -> None:
    settings = desk.folder / "config" / "sources.yaml"
    pence = "symbol,date,close\n" + "".join(f"AAA,2024-01-{day:02},{1000 + day}\n" for day in (2, 3, 4, 5))
    text = settings.read_text()
    settings.write_text(text.replace("basis", "currency: GBX, basis"))
    desk.ingest(pence=pence)
    settings.write_text(text.replace("basis", "currency: GBP, basis"))
    (desk.folder / "inbox" / "pence.csv").unlink()  # it would be read again, as pounds
    pounds = "symbol,date,close\n" + "".join(f"AAA,2024-01-{day:02},{10 + day / 100}\n" for day in (8, 9, 10))
    assert counts(desk.ingest(pounds=pounds))[-1] == ("ingested", 3, 0, 0, 0)


def test_the_end_of_an_ingest_is_of_rows_not_of_file_names(desk: Desk) -> None:
    desk.ingest()
    (desk.folder / "inbox" / "prices_20240110.csv").write_text(FIRST)
    stamp = Stamp("run", datetime(2024, 3, 1, 22, tzinfo=UTC).replace(tzinfo=None), "code", "config")
    inbox = Inbox(desk.warehouse, load_configuration(desk.folder / "config"), stamp, TODAY)
    (done,) = inbox.prices(None, date(2024, 1, 2), lambda said: None)
    assert (done.payload, done.new) == ("prices_20240110.csv", 2)


def test_a_share_keeps_the_currency_of_its_security_under_a_new_name(tmp_path: Path) -> None:
    """What the ticker says since is another company's, and what the new one said before."""
    desk = Desk(tmp_path)
    securities = tmp_path / "reference" / "securities.csv"
    securities.write_text(
        "symbol,date,currency,simulated\nOLD,2024-01-01,EUR,false\nNEW,2024-01-01,CHF,false\nOLD,2024-01-03,GBP,false\n",
        encoding="utf-8",
    )
    desk.ingest(
        actions=ACTIONS + "OLD,2024-01-03,rename,,NEW\n",
        closes="symbol,date,close\nOLD,2024-01-02,10\nNEW,2024-01-03,10.1\nOLD,2024-01-03,7\n",
    )
    found = desk.rows("select symbol, date, currency from prices order by all")
    assert found == [
        ("NEW", date(2024, 1, 2), "EUR"),
        ("NEW", date(2024, 1, 3), "EUR"),
        ("OLD", date(2024, 1, 3), "GBP"),
    ]
