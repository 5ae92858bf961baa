"""What ends a stage of the ingest, and what begins it anew."""

import os
import signal
from pathlib import Path

import dagster as dg
import pytest
from inbox_desk import write_folders
from sensors import resources_of

from assets import prices as stage
from optimizer import DataError
from resources.logs.ingest import Inbox


def executed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *happens: BaseException | int
) -> tuple[bool, int]:
    """Whether the stage succeeded, and how often it was begun; each time the next of what `happens`, then nothing."""
    write_folders(folder)
    begun: list[object] = []

    def reference(self: Inbox, progress: object) -> list[object]:
        begun.append(self)
        for what in happens[len(begun) - 1 : len(begun)]:
            if isinstance(what, BaseException):
                raise what
            os.kill(os.getpid(), what)
        return []

    monkeypatch.setattr(Inbox, "reference", reference)
    monkeypatch.setattr(stage, "DELAY_SECONDS", 0.0)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [stage.reference_data],
            instance=instance,
            raise_on_error=False,
            resources=resources_of(folder / "home", folder / "config"),
        )
    return result.success, len(begun)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_ingest_and_does_not_begin_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: int
) -> None:
    assert executed(tmp_path, monkeypatch, sign) == (False, 1)


def test_what_may_pass_is_tried_again_three_times_and_a_fault_that_we_name_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [OSError("no route to host") for _ in range(4)]
    cases = [((DataError("none"),), (False, 1)), (gone[:2], (True, 3)), (gone, (False, 4))]
    for number, (happens, told) in enumerate(cases):
        assert executed(tmp_path / str(number), monkeypatch, *happens) == told
