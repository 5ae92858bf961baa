"""The prices that an installed package carries, and the funds simulated from them."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from optimizer import DataError, PolicyError
from resources.logs.calendars import load_calendar
from resources.prices import embedded
from resources.prices.embedded import EmbeddedSource, Panel, SimulatedFund
from resources.prices.source import Delivery, FileRejected
from resources.screening.screen import Context, screen

FUNDS = {
    "SPX2X.SIM": SimulatedFund({"SPX.TR": 2.0}, 0.009),
    "STK-USMV.SIM": SimulatedFund({"SPX.TR": 1.0, "USMV": 1.0}, 0.005),
}
SOURCE = EmbeddedSource("embedded", 0.02, 0.025, 0.005, FUNDS)


@pytest.fixture(scope="module")
def delivered() -> dict[str, Delivery]:
    found: list[Delivery | FileRejected] = list(SOURCE.deliveries(None, None, lambda key: False))
    return {one.payload_name: one for one in found if isinstance(one, Delivery)}


def closes(delivery: Delivery, symbol: str) -> dict[date, float]:
    rows = delivery.rows.select(["symbol", "date", "close"]).to_pylist()
    return {row["date"]: row["close"] for row in rows if row["symbol"] == symbol}


def test_what_the_package_carries(delivered: dict[str, Delivery]) -> None:
    prices = {name: one for name, one in delivered.items() if one.log == "prices"}
    assert {name: (one.rows.num_rows, one.basis, one.simulated) for name, one in prices.items()} == {
        "sp500_dataset.csv.gz": (166_260, "total_return", False),
        "sp500_index.csv.gz": (8_313, "as_traded", False),
        "factors_dataset.csv.gz": (11_320, "total_return", False),
        "simulated.json": (8_313 + 8_313 + 2_264, "total_return", True),
    }
    assert closes(prices["sp500_dataset.csv.gz"], "AAPL")[date(2022, 12, 28)] == 125.674
    assert len(set(prices["sp500_dataset.csv.gz"].rows["symbol"].to_pylist())) == 20


def test_each_weakness_is_said(delivered: dict[str, Delivery]) -> None:
    said = {name: [finding.code for finding in one.warnings] for name, one in delivered.items()}
    assert said["sp500_dataset.csv.gz"] == ["NOT_TRADABLE", "SURVIVORSHIP"]
    assert said["sp500_index.csv.gz"] == ["NO_DIVIDENDS"]
    assert said["simulated.json"] == ["SIMULATED"]


def test_simulated_returns_follow_the_stated_assumptions(delivered: dict[str, Delivery]) -> None:
    day, before = date(2022, 12, 28), date(2022, 12, 27)
    index, made = delivered["sp500_index.csv.gz"], delivered["simulated.json"]

    def earned(delivery: Delivery, symbol: str) -> float:
        found = closes(delivery, symbol)
        return found[day] / found[before] - 1

    total = earned(index, "SPX") + 0.02 / 252
    factor = earned(delivered["factors_dataset.csv.gz"], "USMV")
    assert earned(made, "SPX.TR") == pytest.approx(total, abs=1e-7)
    assert earned(made, "SPX2X.SIM") == pytest.approx(2 * total - (0.03 + 0.009) / 252, abs=1e-7)
    assert earned(made, "STK-USMV.SIM") == pytest.approx(total + factor - (0.03 + 0.005) / 252, abs=1e-7)


def test_a_fund_begins_at_100_with_its_youngest_leg(delivered: dict[str, Delivery]) -> None:
    made = delivered["simulated.json"]
    assert next(iter(closes(made, "SPX.TR").items())) == (date(1990, 1, 2), 100.0)
    assert next(iter(closes(made, "STK-USMV.SIM").items())) == (date(2014, 1, 2), 100.0)


def test_an_unlevered_fund_pays_no_financing_and_an_inverse_one_earns_interest() -> None:
    days = np.arange(3, dtype=np.int32)
    index = Panel(["SPX"], days, np.array([[100.0], [100.0], [100.0]]))
    funds = {"ONE.SIM": SimulatedFund({"SPX": 1.0}, 0.0), "SHORT.SIM": SimulatedFund({"SPX": -1.0}, 0.0)}
    made = EmbeddedSource("e", 0.0, 0.0252, 0.01, funds).simulate([index])
    assert made.close[:, 1].tolist() == [100, 100, 100]
    assert made.close[1, 2] == pytest.approx(100 * (1 + 2 * 0.0001))


def test_the_payload_of_what_is_simulated_states_everything_it_follows_from(
    delivered: dict[str, Delivery],
) -> None:
    recipe = json.loads(bytes(delivered["simulated.json"].payload))
    assert recipe["dividend_yield"] == 0.02
    assert recipe["funds"]["SPX2X.SIM"] == {"legs": {"SPX.TR": 2.0}, "fee": 0.009}
    assert recipe["inputs"]["sp500_index.csv.gz"] == delivered["sp500_index.csv.gz"].payload_sha256


def test_assumptions_go_to_the_logs(delivered: dict[str, Delivery]) -> None:
    securities, rates = delivered["securities.json"], delivered["risk_free_rates.json"]
    assert (securities.log, rates.log) == ("securities", "risk_free_rates")
    assert rates.rows["rate"].to_pylist() == [0.025]
    assert set(securities.rows["simulated"].to_pylist()) == {True}
    assert "1 SPX.TR + 1 USMV" in securities.rows["note"].to_pylist()[2]


def test_a_second_reading_brings_nothing_and_a_new_assumption_only_what_it_changes(
    delivered: dict[str, Delivery],
) -> None:
    keys = {one.key for one in delivered.values()}
    assert list(SOURCE.deliveries(None, None, keys.__contains__)) == []
    other = EmbeddedSource("embedded", 0.018, 0.025, 0.005, FUNDS)
    again = [
        one.payload_name
        for one in other.deliveries(None, None, keys.__contains__)
        if isinstance(one, Delivery)
    ]
    assert again == ["simulated.json", "securities.json", "risk_free_rates.json"]


def test_the_checks_set_nothing_of_the_package_aside_and_note_its_one_defect(
    delivered: dict[str, Delivery], tmp_path: Path
) -> None:
    """RRC falls from 3.322 to exactly a third in April 1990 and climbs back; total returns have no split to suspect."""
    calendar = load_calendar("XNYS", date(2026, 3, 2), tmp_path)
    told = {}
    for name, one in delivered.items():
        if one.log == "prices":
            result = screen(one, Context(date(2026, 3, 2), calendar.days))
            assert result.quarantined.num_rows == 0, name
            told[name] = {finding.symbol for finding in result.warnings if finding.code == "JUMP_BAND"}
    assert "RRC" in told["sp500_dataset.csv.gz"]


def test_a_leg_without_prices_is_named() -> None:
    source = EmbeddedSource("e", 0.0, 0.0, 0.0, {"X.SIM": SimulatedFund({"GOLD": 1.0}, 0.0)})
    with pytest.raises(PolicyError, match=r"X\.SIM: no prices for GOLD; legs may be .*USMV"):
        list(source.deliveries(None, None, lambda key: False))


def test_without_the_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package_here")
    with pytest.raises(DataError, match="no_such_package_here, which is not installed"):
        embedded.package_data()


def test_the_package_is_read_not_imported() -> None:
    code = (
        "import sys; from resources.prices.embedded import EmbeddedSource;"
        "list(EmbeddedSource('e', 0.0, 0.0, 0.0, {}).deliveries(None, None, lambda key: False));"
        "assert 'skfolio' not in sys.modules and 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
