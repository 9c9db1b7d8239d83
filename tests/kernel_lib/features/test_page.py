"""The documentation page is what the docstrings say, and its examples run."""

import re
from pathlib import Path

from kernel_lib import features as f
from kernel_lib.features.page import page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "features.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m kernel_lib.features.page docs/features.md"


def test_every_feature_has_a_section_with_its_formula_parameters_and_example() -> None:
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page(), re.MULTILINE | re.DOTALL))
    assert set(sections) == set(f.CATALOGUE)
    for name, text in sections.items():
        assert ">>> " in text, name
        assert "- `bars` (str or None): " in text, name
        assert "``" not in text.replace("```", ""), name


def test_its_own_feature_is_one() -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", page(), re.DOTALL) if "@f.feature" in block)
    namespace: dict[str, object] = {"f": f}
    exec(code, namespace)
    assert namespace["pull"](2)([1.0, 3.0]).tolist()[1:] == [1.25]


def test_the_whole_catalogue_compiles_ahead() -> None:
    from kernel_lib.features.prepare import compile_catalogue

    assert compile_catalogue() == len(f.CATALOGUE)
