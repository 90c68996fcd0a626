"""What `make` refuses before it does anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("target", ["image", "install-manifest"])
@pytest.mark.parametrize("image", ["", " ", ":1.0", "@sha256:ab", "a b", "."])
def test_an_image_without_a_name_is_one_sentence(target: str, image: str) -> None:
    done = subprocess.run(  # noqa: S603
        ["make", "--no-print-directory", target, f"IMG={image}"],  # noqa: S607
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MAKELEVEL"}},
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("IMG has to name an image, for example IMG=")
