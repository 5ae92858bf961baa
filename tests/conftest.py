"""How hypothesis behaves: the same examples every time in CI, and no clock anywhere."""

import os

from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")
