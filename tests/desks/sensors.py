"""What a desk's sensors answer, each in a Dagster context that is closed: one left open ends anywhere in Python."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from resources.dagster_resources import DeskResource, WarehouseResource


def resources_of(home: Path, config: Path) -> dict[str, object]:
    """The Dagster resources of a desk."""
    return {"warehouse": WarehouseResource(home=str(home)), "desk": DeskResource(folder=str(config))}


def look(
    sensor: Callable[..., Any],
    resources: dict[str, object] | None = None,
    *,
    cursor: str | None = None,
    instance: dg.DagsterInstance | None = None,
) -> tuple[Any, str | None]:
    """A sensor's answer, a list where it gives several, and its cursor afterwards."""
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
        answer = sensor(context)
        if isinstance(answer, Iterator):
            answer = list(answer)
        return answer, getattr(answer, "cursor", None) or context.cursor
