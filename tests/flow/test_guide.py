"""The guide's notebooks, executed in their order on a running platform, as a quant would."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flow.conftest import Running

GUIDE = Path(__file__).resolve().parents[2] / "notebooks" / "guide"
NOTEBOOKS = sorted(GUIDE.glob("*.py"))


def test_the_guide_is_complete() -> None:
    assert [each.stem[:2] for each in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11"]


@pytest.mark.flow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=[each.stem for each in NOTEBOOKS])
def test_a_notebook_runs_to_its_last_claim(platform: Running, notebook: Path, tmp_path: Path) -> None:
    env = {
        **platform.env, "JUPYTERHUB_API_TOKEN": platform.token("quant").reveal(), "TICKHUB_URL": platform.url,
        "TICKHUB_STREAM_URL": platform.stream_url,
    }  # fmt: skip
    out = tmp_path / f"{notebook.stem}.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "jupytext", "--to", "ipynb", "--execute", "--output", str(out), str(notebook)],
        env=env, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for cell in json.loads(out.read_text())["cells"]:
        shown = [each.get("data", {}) for each in cell.get("outputs", [])]
        pictures = [each["image/png"] for each in shown if "image/png" in each]
        assert len(pictures) == len(set(pictures)), f"drawn twice:\n{''.join(cell['source'])}"
        plain = ["".join(each.get("text/plain", "")) for each in shown if "image/png" not in each]
        assert not [each for each in plain if each.startswith(("<Axes", "<matplotlib", "Text("))], cell["source"]
