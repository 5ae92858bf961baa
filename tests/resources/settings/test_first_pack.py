"""The date at which a desk's partitions begin."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from source_tree import ROOT

from optimizer import PolicyError
from resources.settings.configuration import FIRST_DAY, PipelineFile, first_pack
from resources.settings.yaml_files import load_yaml

PROGRAM = "from assets.shared.partitions import PACKS; print(PACKS.get_first_partition_key())"


def test_the_first_pack_is_read_or_1990(tmp_path: Path) -> None:
    assert first_pack(tmp_path) == FIRST_DAY
    (tmp_path / "pipeline.yaml").write_text("first_pack: 2022-12-23\n")
    assert first_pack(tmp_path) == date(2022, 12, 23)
    (tmp_path / "pipeline.yaml").write_text("first_pack: soon\n")
    assert first_pack(tmp_path) == FIRST_DAY
    with pytest.raises(PolicyError, match="first_pack: must be a date such as 2024-01-31"):
        load_yaml(tmp_path / "pipeline.yaml", PipelineFile)


def test_partitions_begin_there(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("first_pack: 2022-12-23\n")
    environment = {**os.environ, "PACKFOLIO_CONFIG": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "PP_2022-12-23"
