"""A pack recorded under one BLAS kernel and replayed under another: the tolerance that docs/audit.md states."""

import json
from pathlib import Path

import pytest
from command_line import Desk
from kernels import KERNELS, used
from small_desk import make_desk

TOLERANCE = 1e-9
PARITY = """
id: 33333333-3333-4333-8333-333333333333
name: parity
mode: live
universe: [AAA, BBB, CCC, DDD, EEE]
policy: {method: risk_parity, max_single_position_pct: 25, cash_max_pct: 20, risk_free_rate: 0.02}
holdings:
  - {as_of: 2022-12-01, cash: 25000, positions: {AAA: 500, BBB: 300}}
"""


@pytest.mark.slow
def test_another_kernel_moves_no_figure_by_more_than_is_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runnable = [kernel for kernel in KERNELS if used(kernel) == kernel]
    if len(runnable) < 2:
        pytest.skip(f"numpy and scipy have {runnable} alone on this processor")
    make_desk(tmp_path)
    (tmp_path / "config" / "portfolios" / "parity.yaml").write_text(PARITY, encoding="utf-8")
    desk = Desk(tmp_path / "home", tmp_path / "config")
    monkeypatch.setenv("OPENBLAS_CORETYPE", runnable[0])
    assert desk.packfolio("run").returncode == 0
    assert desk.read("packs", "replay", "latest")["identical"]
    for other in runnable[1:]:
        monkeypatch.setenv("OPENBLAS_CORETYPE", other)
        done = desk.packfolio("packs", "replay", "latest", "--json")
        found = json.loads(done.stdout)
        assert found["pack_content_identical"]
        assert done.returncode == (0 if found["identical"] else 3)
        for table in found["differences"]:
            assert table["rows_before"] == table["rows_after"], table
            for column, told in table["columns"].items():
                if (table["table"], column) == ("covariances", "covariance_hash"):
                    continue  # of every bit: its values are the next column
                assert told["largest"] is not None, (table["table"], column, table["changes"])
                assert told["largest"] <= TOLERANCE, (table["table"], column, told)
