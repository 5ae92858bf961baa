"""`fleet` of pipeline.yaml: where portfolios are computed, and how many at once."""

from typing import Literal

from pydantic import Field, model_validator

from resources.settings.policies.values import Count, Strict


class FleetFile(Strict):
    """Where portfolios are computed.

    engine   serial: in this process; processes: on this machine's cores; dask: on the scheduler at `address`
    shard    how many portfolios a worker gets at once
    workers  of `processes`; None: as many as there are cores
    files    where workers read what the pack says: any folder or fsspec address that they reach; None: in the home
    retries  how often a shard is given to another worker when one died over it
    """

    engine: Literal["serial", "processes", "dask"] = "serial"
    address: str | None = None
    shard: Count = Field(default=500, ge=1)
    workers: Count | None = Field(default=None, ge=1)
    files: str | None = None
    retries: Count = Field(default=2, ge=0)

    @model_validator(mode="after")
    def _reachable(self) -> "FleetFile":
        if (self.engine == "dask") != (self.address is not None):
            raise ValueError(
                "engine dask needs the address of its scheduler, such as tcp://scheduler:8786; the others have none"
            )
        return self
