"""The page on models says what is there: its example runs, its files exist, its table is the catalogue."""

import re
from pathlib import Path

from kernel_lib.models import CATALOGUE

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "models.md").read_text()


def test_the_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "docs/models.md", "exec"), names)
    assert names["direction"] in (-1.0, 1.0)
    assert names["confidence"] == max(names["p_down"], names["p_up"])  # type: ignore[type-var]
    assert names["model"].card.scores["accuracy"] > 0.65  # type: ignore[attr-defined]


def test_every_file_is_there() -> None:
    named = re.findall(r"`((?:kernel_lib|tests|benchmarks)/[\w/.]+)`", PAGE)
    assert len(named) > 25
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_table_is_the_catalogue() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \| `kernel_lib/models/(\w+)\.py` \|$", PAGE, re.MULTILINE)
    expected = [(key, ", ".join(learner.kinds) or "none", learner.__module__.rsplit(".", 1)[1]) for key, learner in
                CATALOGUE.items()]  # fmt: skip
    assert rows == expected
