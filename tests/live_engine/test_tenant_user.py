from pathlib import Path

import pytest

from kernel_lib.config import Home
from kernel_lib.errors import Broken
from live_engine.tenant_user import tenant_uid


@pytest.fixture
def engine(home: Home) -> Path:
    (home / "engine").mkdir(parents=True, exist_ok=True)
    return home / "engine"


def test_each_tenant_has_a_user_of_its_own_and_keeps_it(home: Home, engine: Path) -> None:
    first, second = tenant_uid(home, "acme"), tenant_uid(home, "other")
    assert first != second
    assert (tenant_uid(home, "acme"), tenant_uid(home, "other")) == (first, second)
    assert [each.name for each in engine.glob("*.draft")] == []


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"acme": 52000', '{"acme": 0}', '{"acme": "52000"}'])
def test_a_damaged_list_is_refused_and_nobody_numbered_anew(home: Home, engine: Path, content: str) -> None:
    (engine / "strategy-users.json").write_text(content)
    with pytest.raises(Broken, match="strategy-users"):
        tenant_uid(home, "new")
    assert (engine / "strategy-users.json").read_text() == content
