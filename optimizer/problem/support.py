"""What every goal offers the audit: a line below its cost."""

from dataclasses import dataclass

from optimizer.typing import Array


@dataclass(frozen=True)
class Support:
    """cost(v) >= offset + slope @ v for every v, with equality but for `slack` at the point it was made for.

    slope  (n,);  size: the magnitude of the cost's parts, against which a gap is judged
    """

    slope: Array
    offset: float
    size: float
    slack: float = 0.0
