from pathlib import Path

import pytest

from optimizer import ExposureCalculator, ExposureType, PolicyError
from resources.settings.funds import FundsFile, load_funds
from resources.settings.yaml_files import parse_yaml

SHIPPED = Path(__file__).parents[3] / "config" / "funds.yaml"


def parsed(entry):
    head = 'as_of: "2026-08"\ndefault_spread_bps: 50\nfunds:\n  RSST:\n    name: Stacked\n    source: page\n'
    return parse_yaml(head + entry, FundsFile, "funds.yaml").to_map()


def test_the_shipped_table_adds_up_and_names_its_sources():
    funds = load_funds(SHIPPED)
    assert len(funds) >= 56
    assert all(fund.source and fund.as_of for fund in funds.values())
    assert funds["RSST"].fee == pytest.approx(0.0098)
    assert funds["RSST"].spread == pytest.approx(0.005)
    book = ExposureCalculator(funds).calculate({"RSST": 0.5, "SPY": 0.5})
    assert book == {ExposureType.US_LARGE_EQUITY: 1.0, ExposureType.MANAGED_FUTURES: 0.5}


def test_shares_of_notional_are_converted_when_declared():
    funds = parsed(
        "    exposures: {us_bonds: 0.5, global_equity: 0.5}\n"
        "    exposures_are: share_of_notional\n    total_notional: 2.0\n"
    )
    assert funds["RSST"].exposures == {ExposureType.US_BONDS: 1.0, ExposureType.GLOBAL_EQUITY: 1.0}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            "    exposures: {us_bonds: 0.5, global_equity: 0.5}\n    total_notional: 1.9\n",
            r"funds.yaml:4: funds.RSST: .*add up to 1, total_notional is 1.9",
        ),
        (
            "    exposures: {us_bond: 1.0}\n    total_notional: 1.0\n",
            r"funds.yaml:7: funds.RSST.exposures: exposure type 'us_bond' does not exist; did you mean",
        ),
        (
            "    exposures: {us_bonds: 1.0}\n    total_notional: 1.0\n    fee_bp: 98\n",
            r"funds.yaml:9: funds.RSST.fee_bp: unknown key; did you mean fee_bps",
        ),
        (
            "    exposures: {us_bonds: 1.0}\n    total_notional: 1.0\n    fee_bps: .nan\n",
            r"funds.yaml:9: funds.RSST.fee_bps",
        ),
        (
            "    exposures: {us_bonds: 1.0}\n    total_notional: 1.0\n    unfunded: [gold]\n",
            r"unfunded names gold",
        ),
    ],
)
def test_mistakes_are_named_by_file_line_and_key(entry, said):
    with pytest.raises(PolicyError, match=said):
        parsed(entry)
