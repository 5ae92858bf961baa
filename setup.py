"""What pyproject.toml cannot say: a wheel carries the example's configuration, as the package's own folder."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithExample(build_py):
    """Copies `config/` into the built package; an editable install reads it where it lies."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            shutil.copytree("config", Path(self.build_lib, "pipeline", "example"), dirs_exist_ok=True)


setup(cmdclass={"build_py": WithExample})
