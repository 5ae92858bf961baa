"""Answers on demand; names are imported at first use, so that `import service` is light."""

from importlib import import_module
from typing import Any

_HOME = {
    "OptimizerService": "optimizer_service",
    "PolicyConstraints": "policies",
    "get_optimizer_service": "optimizer_service",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"service has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"service.{_HOME[name]}"), name)
