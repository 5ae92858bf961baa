"""Models: what may be held and how it is chosen, for any number of accounts; a YAML file each in `config/models/`."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from optimizer import PolicyError
from resources.prices.columns import SYMBOL
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.policies.values import Percent, Strict
from resources.settings.view_files import AnyViewFile, Symbol, check_views
from resources.settings.yaml_files import PlacedError, load_yaml

# As prices have it: of aapl there is none, and AAPL was sold.
Listed = Annotated[str, Field(pattern=f"^{SYMBOL}$")]
NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class ModelFile(Strict):
    """A portfolio without what is held.

    universe   symbols that may be held, or "all" that the pack prices
    benchmark  "equal_weight", "market_cap", a symbol, or symbol -> percent; tracking error is against it
    prior      where Black-Litterman starts: the benchmark's equilibrium, that of market caps, or the estimated means
    """

    name: str = Field(pattern=NAME, max_length=60)
    description: str = ""
    universe: list[Listed] | Literal["all"]
    benchmark: str | dict[Symbol, Percent] = "equal_weight"
    prior: Literal["benchmark", "market_cap", "historical"] = "benchmark"
    policy: PolicyFile = PolicyFile()
    views: list[AnyViewFile] = Field(default=[])

    @field_validator("universe")
    @classmethod
    def unique(cls, value: list[str] | str) -> list[str] | str:
        """Refuses a symbol that stands twice."""
        if isinstance(value, list) and len(set(value)) != len(value):
            twice = sorted(symbol for symbol, count in Counter(value).items() if count > 1)
            raise ValueError(f"these symbols stand twice: {twice}")
        return value

    @field_validator("benchmark")
    @classmethod
    def adds_up(cls, value: str | dict[str, float]) -> str | dict[str, float]:
        """Refuses benchmark weights that are not 100% in all."""
        if isinstance(value, dict) and abs(sum(value.values()) - 100) > 1e-6:
            raise ValueError(f"the benchmark's weights add up to {sum(value.values()):g}%; they must be 100%")
        return value

    @model_validator(mode="after")
    def views_are_of_the_model(self) -> "ModelFile":
        """Refuses views that the policy's view_model does not take."""
        check_views(self.policy.view_model, self.views)
        return self

    @model_validator(mode="after")
    def substitutes_may_be_held(self) -> "ModelFile":
        """Refuses a substitute outside the universe."""
        if self.policy.harvest is not None and self.universe != "all":
            outside = sorted(set(self.policy.harvest.substitutes.values()) - set(self.universe))
            if outside:
                said = f"policy.harvest: {', '.join(outside)} may not be held; add the substitutes to the universe"
                raise PlacedError(said, "policy", "harvest", "substitutes")
        return self


def load_models(folder: Path) -> dict[str, ModelFile]:
    """Name -> model of every `*.yaml` of the folder, which may be missing; raises PolicyError with all mistakes."""
    loaded, wrong = list[ModelFile](), list[str]()
    for path in sorted(folder.glob("*.yaml")):
        try:
            loaded.append(load_yaml(path, ModelFile))
        except PolicyError as error:
            wrong.append(str(error))
    counted = Counter(model.name for model in loaded)
    wrong += [f"two models have the name {name}" for name, count in sorted(counted.items()) if count > 1]
    if wrong:
        raise PolicyError("\n".join(wrong))
    return {model.name: model for model in sorted(loaded, key=lambda model: model.name)}
