"""Shared fixtures: where the recorded market data lies, and a private home for each test."""

import os
from pathlib import Path

import pytest

from kernel_lib.config import Home

DATA = Path(os.environ.get("TICKHUB_DATA", Path(__file__).resolve().parent.parent.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of recorded data; tests that need it skip by name where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"recorded market data is absent: {DATA} (set TICKHUB_DATA)")
    return DATA


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()
