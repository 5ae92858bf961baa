"""The one array type of the library."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
