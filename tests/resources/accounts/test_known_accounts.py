"""Accounts under a pack: what their rows say becomes what a file would have said, and one path computes both."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from accounts_desk import ACCOUNTS, DAYS, MODELS, TODAY, cut, deliver, make_desk, take
from bench import STAMP, ingest

from optimizer import PolicyError
from resources.accounts.known import accounts_of, find_account, known_portfolios
from resources.books.snapshots import Snapshot, read_snapshots
from resources.books.take_snapshots import take_snapshots
from resources.packs.packs import Pack
from resources.results.account_list import Wanted, accounts_page, letters
from resources.settings.configuration import load_configuration
from resources.store.warehouse import Warehouse

FILES = {
    "accounts.csv": ACCOUNTS + "A1,Ann,growth,USD,0.02,taxable,2024-01-02\nA2,Bob,taxed,,,exempt,\n"
    "A3,Bob,taxed,,,,\nA4,Dee,growth,,,,2024-03-01\nA5,Eve,growth,,,,\nA6,Flo,taxed,,,,\n"
    "A7,Gil,growth,,,,\nA8,Hal,growth,,,,\n",
    "account_positions.csv": "account,symbol,as_of,quantity,cost_basis,acquired,lot\n"
    "A1,AAA,2024-02-01,10,99.5,,\nA1,CASH,2024-02-01,1000.25,,,\nA2,BBB,2024-02-05,100,,,\n"
    "A3,BBB,2024-02-05,100,,,\nA6,BBB,2024-02-05,60,90,2023-05-01,\nA6,BBB,2024-02-05,40,95,2023-06-01,late\n"
    "A1,AAA,2024-01-15,999,,,\nA7,BEFORE,2024-02-01,30,,,\nA8,GONE,2024-02-01,30,,,\n",
    "account_flows.csv": "account,date,amount,reference\nA1,2024-02-01,7,\nA1,2024-02-05,-250,a\nA1,2024-02-05,50,b\n"
    "A1,2024-03-01,99,\n",
    "account_restrictions.csv": "account,symbol,kind,reason,until\nA1,BBB,do_not_buy,insider,\n"
    "A1,CCC,do_not_hold,tobacco,\nA1,DDD,do_not_sell,,2024-02-01\nA2,*,do_not_trade,probate,\n",
}


def snapshots(folder: Path, warehouse: Warehouse, pack: Pack) -> dict[str, Snapshot]:
    desk = load_configuration(folder / "config")
    with warehouse.live() as con:
        accounts = accounts_of(con, pack, desk.portfolios)
        return {one.portfolio_id: one for one in take_snapshots(con, pack, accounts, {})}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Warehouse, Pack]:
    folder = tmp_path_factory.mktemp("accounts")
    warehouse = make_desk(folder, FILES)
    ended = [
        {"symbol": "BEFORE", "kind": "rename", "new_symbol": "DDD", "value": None},
        {"symbol": "GONE", "kind": "delisting", "new_symbol": None, "value": 2.0},
    ]
    with warehouse.write(STAMP) as tx:
        ends = [row | {"date": date(2024, 2, 15), "source": "desk", "currency": "USD"} for row in ended]
        ingest(tx, "corporate_actions", pa.Table.from_pylist(ends))
    assert not sum(item.quarantined for item in take(folder, warehouse, date(2024, 3, 2)))
    return folder, warehouse, cut(warehouse)


def test_rows_become_holdings_cash_and_policy(desk: tuple[Path, Warehouse, Pack]) -> None:
    found = snapshots(*desk)
    ann = found["A1"]
    assert (ann.name, ann.model, ann.mode, ann.problem) == ("Ann", "growth", "live", None)
    # the flow of the positions' day is in them, the one after the pack's day is not there yet
    assert ann.holdings.cash == Decimal("1000.25") - 250 + 50
    assert ann.holdings.quantities == {"AAA": Decimal(10)}
    assert (ann.policy.cash_min_pct, ann.policy.do_not_buy, ann.policy.do_not_sell) == (
        2,
        {"BBB": "insider"},
        {},
    )
    assert (ann.investable, ann.excluded) == (("AAA", "BBB", "DDD"), {"CCC": "may not be held: tobacco"})
    assert found["A2"].policy.tax is None
    assert found["A2"].policy.rebalance is not None
    assert found["A2"].policy.rebalance.do_not_trade == "probate"
    assert "needs the tax lots of BBB" in str(found["A3"].problem)
    assert [lot.lot_id for lot in found["A6"].holdings.lots["BBB"]] == ["BBB-20230501", "late"]
    assert "A4" not in found  # its row holds from the next day on
    assert "it has no positions on record" in str(found["A5"].problem)
    # under names that ended before anything was priced here
    assert (found["A7"].problem, found["A7"].holdings.quantities) == (None, {"DDD": Decimal(30)})
    assert (found["A8"].problem, found["A8"].holdings.cash) == (None, 60)


def test_a_portfolio_in_yaml_and_an_account_of_the_same_model_are_computed_alike(
    desk: tuple[Path, Warehouse, Pack], tmp_path: Path
) -> None:
    _, warehouse, pack = desk
    text = (
        MODELS["models/growth.yaml"]
        .replace("name: growth", "name: twin\nmode: live")
        .replace(
            "risk_free_rate", "cash_min_pct: 2, cash_max_pct: 2, do_not_buy: {BBB: insider}, risk_free_rate"
        )
    )
    book = "id: 33333333-3333-3333-3333-333333333333\nholdings: [{as_of: 2024-02-01, cash: 800.25, positions: {AAA: {quantity: 10, cost_basis: 99.5}}}]\n"  # noqa: E501
    make_desk(tmp_path, {}, {"portfolios/twin.yaml": text.replace("CCC, ", "") + book})
    twin = snapshots(tmp_path, warehouse, pack)["33333333-3333-3333-3333-333333333333"]
    ann = snapshots(*desk)["A1"]
    for name in ("symbols", "investable", "benchmark", "policy", "problem", "base_currency", "prior"):
        assert getattr(twin, name) == getattr(ann, name), name
    assert vars(twin.holdings) == vars(ann.holdings)


def test_snapshots_are_read_back_as_they_were_taken_and_models_parsed_once(
    desk: tuple[Path, Warehouse, Pack],
) -> None:
    _, warehouse, pack = desk
    taken = snapshots(*desk)
    with warehouse.write(STAMP) as tx:
        for one in taken.values():
            tx.record("portfolio_snapshots", one.frames(), pack_id=pack.id, portfolio_id=one.portfolio_id)
    with warehouse.live() as con:
        read = {one.portfolio_id: one for one in read_snapshots(con, pack)}
        assert [vars(one) for one in read_snapshots(con, pack, portfolio_id="A1")] == [vars(taken["A1"])]
        page = accounts_page(con, pack.id, Wanted(search="b\u00d6b", limit=1))
        told = ["Garc\u00eda", "Garci\u0301a", "Stra\u00dfe"]
        assert letters(con, told) == ["garcia", "garcia", "strasse"]
        problems = accounts_page(con, pack.id, Wanted(outcome="problem"))
        with pytest.raises(PolicyError, match="there is no outcome 'good'"):
            accounts_page(con, pack.id, Wanted(outcome="good"))
    assert {key: vars(one) for key, one in read.items()} == {key: vars(one) for key, one in taken.items()}
    assert read["A3"].policy is read["A6"].policy
    assert (page["there"], [row["portfolio_id"] for row in page["accounts"]]) == (2, ["A2"])
    assert [row["portfolio_id"] for row in problems["accounts"]] == ["A3", "A5"]
    assert problems["counts"] == [
        {"model": "growth", "outcome": "problem", "accounts": 1},
        {"model": "taxed", "outcome": "problem", "accounts": 1},
    ]  # fmt: skip


def test_an_account_is_found_by_key_and_by_a_name_that_only_it_has(
    desk: tuple[Path, Warehouse, Pack],
) -> None:
    folder, warehouse, pack = desk
    with warehouse.live() as con:
        portfolios = load_configuration(folder / "config").portfolios
        accounts = accounts_of(con, pack, portfolios)
        assert known_portfolios(con, portfolios, pack.as_of) == [(one.id, one.name) for one in accounts]
        later = {key for key, _ in known_portfolios(con, portfolios, date.max)}
    assert later - {one.id for one in accounts} == {"A4"}  # from March on
    assert [find_account(accounts, wanted).id for wanted in ("A1", "Ann", "book")][:2] == ["A1", "A1"]
    with pytest.raises(PolicyError, match=r"2 accounts have the name 'Bob': A2, A3; give the key"):
        find_account(accounts, "Bob")
    with pytest.raises(PolicyError, match="there is no portfolio 'A9'"):
        find_account(accounts, "A9")


HELD = "account,symbol,as_of,quantity\nA1,AAA,2024-02-01,10\n"
LOTS = "account,symbol,as_of,quantity,cost_basis,acquired,lot\n"
WAITS: dict[str, tuple[dict[str, str], str, dict[str, str]]] = {
    "another part of the same positions": (
        {"account_positions.csv": HELD + "A1,ZZZ,2024-02-01,5\n",
         "account_positions-2.csv": "account,symbol,as_of,quantity\nA1,BBB,2024-02-01,7\n"},
        "a position of 2024-02-01 is set aside (ZZZ: no source has ever priced ZZZ",
        {"account_positions-3.csv": "account,symbol,as_of,quantity,withdrawn\nA1,ZZZ,2024-02-01,,true\n"},
    ),
    "positions of a later day": (
        {"account_positions.csv": HELD + "A1,ZZZ,2024-02-01,5\n"},
        "a position of 2024-02-01 is set aside (ZZZ: no source has ever priced ZZZ",
        {"account_positions-2.csv": HELD.replace("02-01", "02-20")},
    ),
    "the file corrected": (
        {"account_positions.csv": HELD + "A1,ZZZ,2024-02-01,5\n"},
        "a position of 2024-02-01 is set aside (ZZZ: no source has ever priced ZZZ",
        {"account_positions.csv": HELD + "A1,CCC,2024-02-01,5\n"},
    ),
    "no day": (
        {"account_positions.csv": HELD + "A1,BBB,2024-02-31,5\n"},
        "a position is set aside (BBB: as_of is 2024-02-31",
        {"account_positions.csv": HELD + "A1,BBB,2024-02-01,5\n"},
    ),
    "a flow": (
        {"account_positions.csv": HELD, "account_flows.csv": "account,date,amount,reference\n"
         "A1,2024-02-03,1.000.000,a\nA1,2024-02-01,nil,\n"},
        "a flow of 2024-02-03 is set aside (amount is 1.000.000; it must be a finite number such as 1234.5); correct",
        {"account_flows-2.csv": "account,date,amount,reference\nA1,2024-02-03,1000000,a\n"},
    ),
    "a flow beside another": (
        {"account_positions.csv": HELD, "account_flows-1.csv": "account,date,amount,reference\nA1,2024-02-03,x,a\n",
         "account_flows-2.csv": "account,date,amount,reference\nA1,2024-02-03,1,b\n"},
        "a flow of 2024-02-03 is set aside (amount is x",
        {"account_positions-2.csv": HELD.replace("02-01", "02-03")},
    ),
    "a flow beside another part of the same invoice": (
        {"account_positions.csv": HELD, "account_flows-1.csv": "account,date,amount,reference\n"
         'A1,2024-02-03,x,"say ""7"", part 2"\n',
         "account_flows-2.csv": 'account,date,amount,reference\nA1,2024-02-03,1,"say ""7"", part 1"\n'},
        "a flow of 2024-02-03 is set aside (amount is x",
        {"account_flows-3.csv": 'account,date,amount,reference\nA1,2024-02-03,1,"say ""7"", part 2"\n'},
    ),
    "a flow whose day has commas": (
        {"account_positions.csv": HELD, "account_flows-1.csv": "account,date,amount,reference\n"
         'A1,"Feb 3, 2024",5,a\n', "account_flows-2.csv": "account,date,amount,reference\nA1,2024-02-03,1,2024\n"},
        "a flow is set aside (date is Feb 3, 2024",
        {"account_flows-3.csv": "account,date,amount,reference\nA1,2024-02-03,5,a\n"},
    ),
    "a flow without a reference whose day cannot be read": (
        {"account_positions.csv": HELD, "account_flows-1.csv": "account,date,amount\nA1,2024-02-33,5\n",
         "account_flows-2.csv": "account,date,amount\nA1,2024-02-04,1\n"},
        "a flow is set aside (date is 2024-02-33",
        {"account_positions-2.csv": HELD.replace("02-01", "02-20")},
    ),
    "a lot beside another": (
        {"account_positions-1.csv": LOTS + "A1,AAA,2024-02-01,ten,90,2023-01-05,x\n",
         "account_positions-2.csv": LOTS + "A1,AAA,2024-02-01,7,90,2023-01-06,y\n"},
        "a position of 2024-02-01 is set aside (AAA: quantity is ten",
        {"account_positions-3.csv": LOTS + "A1,AAA,2024-02-01,10,90,2023-01-05,x\n"},
    ),
    "a restriction beside another of its share": (
        {"account_positions.csv": HELD, "account_restrictions-1.csv": "account,symbol,kind,until\n"
         "A1,BBB,do_not_buy,soon\n", "account_restrictions-2.csv": "account,symbol,kind\nA1,BBB,do_not_sell\n"},
        "a restriction is set aside (BBB: until is soon",
        {"account_restrictions-3.csv": "account,symbol,kind,until\nA1,BBB,do_not_buy,2024-12-31\n"},
    ),
    "a restriction of no kind after another of its share": (
        {"account_positions.csv": HELD, "account_restrictions-1.csv": "account,symbol,kind\nA1,BBB,do_not_sell\n",
         "account_restrictions-2.csv": "account,symbol,kind\nA1,BBB,dont_buy\n"},
        "a restriction is set aside (BBB: kind is dont_buy",
        {"account_restrictions-3.csv": "account,symbol,kind,withdrawn\nA1,BBB,dont_buy,true\n"},
    ),
    "a restriction": (
        {"account_positions.csv": HELD, "account_restrictions.csv": "account,symbol,kind\nA1,BBB,dont_buy\n"},
        "a restriction is set aside (BBB: kind is dont_buy",
        {"account_restrictions-2.csv": "account,symbol,kind\nA1,BBB,do_not_buy\n"},
    ),
    "a restriction that was none": (
        {"account_positions.csv": HELD, "account_restrictions.csv": "account,symbol,kind\nA1,b b,do_not_buy\n"
         "A1,CCC,do_not_buy\n"},
        "a restriction is set aside (b b: symbol is b b",
        {"account_restrictions.csv": "account,symbol,kind\nA1,CCC,do_not_buy\n"},
    ),
    "whole and by lots": (
        {"account_positions.csv": HELD, "account_positions-2.csv":
         LOTS + "A1,AAA,2024-02-01,10,90,2023-01-05,x\n"},
        "AAA was told of 2024-02-01 by its tax lots in one file and without lots in another",
        {"account_positions-3.csv": "account,symbol,as_of,quantity,withdrawn\nA1,AAA,2024-02-01,,true\n"},
    ),
    "cash of another base currency": (
        {"accounts-2.csv": "account,model,base_currency,valid_from\nA1,growth,EUR,2024-02-05\n"
         "A1,growth,USD,2024-02-06\n",
         "account_positions.csv": HELD.replace("02-01", "02-05") + "A1,CASH,2024-02-05,9\n"},
        "its base currency is USD since 2024-02-06, and its cash and costs of 2024-02-05 are in EUR",
        {"account_positions-2.csv": HELD.replace("02-01", "02-06") + "A1,CASH,2024-02-06,9\n"},
    ),
    "a flow of another base currency": (
        {"accounts-2.csv": "account,model,base_currency,valid_from\nA1,growth,EUR,2024-02-05\n"
         "A1,growth,USD,2024-02-07\n", "account_positions.csv": HELD + "A1,CASH,2024-02-01,9\n",
         "account_flows.csv": "account,date,amount,currency\nA1,2024-02-04,5,\nA1,2024-02-06,5,\n"},
        "its base currency is USD since 2024-02-07, and its flows without a currency before 2024-02-07 are in EUR",
        {"account_flows-2.csv": "account,date,amount,currency\nA1,2024-02-06,5,USD\n"},
    ),
}  # fmt: skip


def test_an_account_waits_for_whatever_is_set_aside_or_stated_in_two_ways(tmp_path: Path) -> None:
    """Until it is told right, by the row's key or in the same file: then nothing is open."""

    def files(told: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        return {
            name.replace(".csv", f"-{account}.csv"): text.replace("A1", account)
            for account, own in told.items()
            for name, text in own.items()
        }

    waits = {f"A{number}": case for number, case in enumerate(WAITS.values())}
    told = "account,model\n" + "".join(f"{account},growth\n" for account in waits)
    warehouse = make_desk(
        tmp_path, {"accounts.csv": told, **files({account: case[0] for account, case in waits.items()})}
    )
    take(tmp_path, warehouse)
    pack = cut(warehouse, DAYS[-2])
    found = snapshots(tmp_path, warehouse, pack)
    for account, (_, why, _) in waits.items():
        assert why in str(found[account].problem)
    deliver(tmp_path, files({account: case[2] for account, case in waits.items()}))
    take(tmp_path, warehouse)
    found = snapshots(tmp_path, warehouse, cut(warehouse))
    assert {account: found[account].problem for account in waits} == dict.fromkeys(waits)
    before = snapshots(tmp_path, warehouse, pack)  # as known on that day
    assert all(why in str(before[account].problem) for account, (_, why, _) in waits.items())


def test_an_account_whose_model_is_gone_says_so_and_one_that_is_closed_is_no_more(tmp_path: Path) -> None:
    warehouse = make_desk(tmp_path, {
        "accounts.csv": "account,model,closed\nA1,growth,\nA2,taxed,\nA3,growth,true\n",
        "account_positions.csv": "account,symbol,as_of,quantity\nA1,CASH,2024-02-01,10\nA2,CASH,2024-02-01,10\n",
    })  # fmt: skip
    take(tmp_path, warehouse, TODAY)
    (tmp_path / "config" / "models" / "taxed.yaml").unlink()
    found = snapshots(tmp_path, warehouse, cut(warehouse))
    assert found["A2"].problem == "there is no model taxed; config/models has growth"
    assert found["A1"].problem is None
    assert "A3" not in found
