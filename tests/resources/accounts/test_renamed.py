"""What accounts say of a symbol is said of its present name, wherever they say it."""

from datetime import date

import pytest

from resources.accounts.known import Account, account_of
from resources.accounts.renamed import symbols_named, under_present_names
from resources.packs.packs import Pack
from resources.settings.portfolios import PortfolioFile
from resources.settings.yaml_files import parse_yaml

PACK = Pack("PP_2024-01-02", date(2024, 1, 2), 1, 1, "fresh", None, 1, 1, ("feed",), "hash")
PLACES = {
    "universe": "universe: [OLD, BBB]",
    "benchmark": "universe: [BBB]\nbenchmark: OLD",
    "weights of a benchmark": "universe: [BBB]\nbenchmark: {OLD: 40, BBB: 60}",
    "view": "universe: [BBB]\nviews: [{assets: [OLD], type: absolute, expected_return_pct: 5, confidence: 0.5}]",
    "view against": "universe: [BBB]\nviews: [{assets: [BBB], against: [OLD], type: relative, "
    "expected_return_pct: 5, confidence: 0.5}]",
    "joint views": "universe: [BBB]\nviews: [{portfolios: [{BBB: 1}, {OLD: 1, BBB: -1}], "
    "expected_returns_pct: [4, 1], omega: [0.01, 0.02]}]",
    "scenario view": "universe: [BBB]\npolicy: {view_model: entropy_pooling}\n"
    "views: [{kind: mean, assets: {OLD: 1}, value_pct: 5}]",
    "limit": "universe: [BBB]\npolicy: {asset_limits_pct: {OLD: [0, 10]}}",
    "restriction": "universe: [BBB]\npolicy: {do_not_sell: {OLD: pledged}}",
}


def account(more: str) -> Account:
    text = (
        "id: 11111111-1111-1111-1111-111111111111\nname: book\nmode: live\n"
        f"{more}\nholdings: [{{as_of: 2024-01-02, cash: 1000}}]\n"
    )
    return account_of(parse_yaml(text, PortfolioFile, "book.yaml"), PACK)


@pytest.mark.parametrize("place", PLACES)
def test_each_place_is_found_and_renamed(place: str) -> None:
    one = account(PLACES[place])
    assert symbols_named([one]) - {"market", "equal"} >= {"OLD", "BBB"}
    (renamed,) = under_present_names([one], {"OLD": "NEW"})
    assert "NEW" in symbols_named([renamed])
    (same,) = under_present_names([one], {"ELSE": "NEW"})
    assert symbols_named([same]) == symbols_named([one])
