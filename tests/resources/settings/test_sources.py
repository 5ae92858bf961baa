"""What `sources.yaml` and `overrides.yaml` may say, and what becomes of it."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from optimizer import PolicyError
from resources.prices.embedded import EmbeddedSource
from resources.prices.folder import FolderSource
from resources.prices.yahoo import YahooSource
from resources.screening.renames import Rename
from resources.settings.sources import (
    Overrides,
    SourcesFile,
    days_since_1970,
    load_overrides,
    load_sources,
    open_reference,
    open_source,
    screening,
    wanted_sources,
)
from resources.settings.yaml_files import parse_yaml

CONFIG = Path(__file__).parents[3] / "config"
TODAY = date(2026, 3, 2)
THREE = """
sources:
  - {name: inbox, kind: folder, path: inbox, basis: as_traded, live: true, ignore_columns: [mood]}
  - {name: yahoo, kind: yahoo, symbols: [AAPL], start: 2015-01-01, enabled: false}
  - {name: embedded, kind: embedded, dividend_yield: 0.02, risk_free_rate: 0.02, spread_bps: 50}
"""


def parsed(text: str) -> SourcesFile:
    return parse_yaml(text, SourcesFile, "sources.yaml")


def test_the_default_configuration_loads() -> None:
    file, overrides = load_sources(CONFIG), load_overrides(CONFIG)
    assert file.precedence == ("embedded",)
    assert not file.sources[0].live
    source = open_source(file.sources[0], CONFIG, overrides, TODAY)
    assert isinstance(source, EmbeddedSource)
    assert source.funds["SPX3X.SIM"].legs == {"SPX.TR": 3.0}
    assert source.spread == pytest.approx(0.005)
    reference, *_ = open_reference(file, CONFIG)
    assert reference is not None
    assert reference.path.is_dir()


def test_the_order_is_the_precedence_of_what_is_enabled() -> None:
    assert parsed(THREE).precedence == ("inbox", "embedded")


def test_each_kind_opens_its_source(tmp_path: Path) -> None:
    opened = [open_source(one, tmp_path, Overrides(), TODAY) for one in parsed(THREE).sources]
    assert [type(one) for one in opened] == [FolderSource, YahooSource, EmbeddedSource]
    assert [one.name for one in opened] == ["inbox", "yahoo", "embedded"]
    assert isinstance(opened[0], FolderSource)
    assert opened[0].path == tmp_path / "inbox"
    assert opened[0].reading.ignored == ("mood",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (THREE.replace("inbox, kind", "yahoo, kind"), r"sources\.yaml:4: source names stand twice: yahoo"),
        (THREE.replace("as_traded", "adjusted"), r"sources\.yaml:3: .*as_traded"),
        (THREE.replace("kind: yahoo", "kind: bloomberg"), r"sources\.yaml:4"),
        (THREE.replace("path:", "folder:"), "unknown key"),
        (THREE.replace("[AAPL]", "[=AAPL]"), r"sources\.yaml:4"),
        (THREE.replace("yield: 0.02", "yield: 2.0"), r"sources\.yaml:5"),
        ("sources: []", "at least 1"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        parsed(text)


OVERRIDES = """
releases:
  - {symbol: MS, date: 2008-10-13, code: JUMP_75, reason: "capital from MUFG"}
  - {symbol: GE, date: 2008-10-13, code: NOT_A_SESSION, source: other, reason: "traded elsewhere"}
renames:
  - {old: PCLN, new: BKNG, effective: 2018-02-27, reason: "Priceline became Booking"}
"""


def test_overrides_reach_the_checks_of_their_source() -> None:
    overrides = parse_yaml(OVERRIDES, Overrides, "overrides.yaml")
    sessions = np.array([0, 1], np.int32)
    file = parsed(THREE + "limits: {jump: 0.9, stale_sessions: 4}\n")
    context = screening(file, overrides, "inbox", TODAY, sessions, {}, {})
    assert context.released == {("MS", days_since_1970(date(2008, 10, 13)), "JUMP_75")}
    assert overrides.of("inbox").present_names() == (
        Rename("PCLN", "BKNG", days_since_1970(date(2018, 2, 27))),
    )
    assert (context.jump_limits.jump, context.watch_limits.stale_sessions) == (0.9, 4)
    assert len(screening(file, overrides, "other", TODAY, sessions, {}, {}).released) == 2


def test_a_release_needs_a_reason() -> None:
    with pytest.raises(PolicyError, match="reason"):
        parse_yaml(OVERRIDES.replace('"capital from MUFG"', '""'), Overrides, "overrides.yaml")


def test_an_override_makes_its_files_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "t.csv").write_text("symbol,date,close\nMS,2024-01-02,5\n")
    settings = parsed(THREE.replace("ignore_columns: [mood]", "")).sources[0]

    def keys(overrides: Overrides) -> set[str]:
        source = open_source(settings, tmp_path, overrides, TODAY)
        return {getattr(one, "key", "") for one in source.deliveries(None, None, lambda key: False)}

    assert keys(Overrides()) == keys(Overrides())
    assert keys(Overrides()) != keys(parse_yaml(OVERRIDES, Overrides, "overrides.yaml"))


def test_without_an_overrides_file_there_are_none(tmp_path: Path) -> None:
    assert load_overrides(tmp_path) == Overrides()


def test_a_source_is_asked_for_by_its_name_or_by_a_place_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "inbox" / "sub").mkdir(parents=True)
    file = tmp_path / "inbox" / "sub" / "a.csv"
    file.write_text("")
    config = tmp_path / "config"
    settings = parsed(THREE.replace("path: inbox", "path: ../inbox") + "reference_folder: ../reference\n")
    inbox, _, embedded = settings.sources
    assert wanted_sources(settings, config, None) == [(inbox, None), (embedded, None)]
    assert wanted_sources(settings, config, "inbox") == [(inbox, None)]
    assert wanted_sources(settings, config, str(tmp_path / "inbox")) == [(inbox, None)]
    assert wanted_sources(settings, config, str(file)) == [(inbox, config / "../inbox/sub/a.csv")]
    (tmp_path / "reference").mkdir()
    for reference in ("reference", str(tmp_path / "reference")):
        assert wanted_sources(settings, config, reference) == []


@pytest.mark.parametrize("wanted", ["inbx", "inbox/none.csv", "/", "yahoo"])
def test_an_unknown_source_is_an_error_that_lists_them(wanted: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"there is no source .*inbox \(.*yahoo \(switched off\), embedded"):
        wanted_sources(parsed(THREE), tmp_path, wanted)


def test_a_closure_needs_a_reason_and_rereads_nothing(tmp_path: Path) -> None:
    text = 'closures: [{exchange: XNYS, date: "2025-01-09", reason: "mourning of President Carter"}]'
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "t.csv").write_text("symbol,date,close\nMS,2024-01-02,5\n")
    stated = parse_yaml(text, Overrides, "overrides.yaml")
    assert stated.closures[0].date == date(2025, 1, 9)  # a date in quotes is a date
    settings = parsed(THREE).sources[0]
    keys = [
        [getattr(one, "key", "") for one in open_source(settings, tmp_path, overrides, TODAY).deliveries(
            None, None, lambda key: False)]
        for overrides in (stated, Overrides())
    ]  # fmt: skip
    assert keys[0] == keys[1]
    with pytest.raises(PolicyError, match="reason"):
        parse_yaml(text.replace("mourning of President Carter", ""), Overrides, "overrides.yaml")
