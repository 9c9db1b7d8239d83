"""Behind the dot a notebook finds what the library is for; a name that is not there is answered with the one meant."""

import subprocess
import sys
from typing import Any

import pytest

import kernel_lib as typed
from kernel_lib import agents, client, features, models, risk

kernel_lib: Any = typed


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("modles", "models"), ("catalog", "catalogue"), ("models.XGBost", "XGBoost"), ("features.rsii", "rsi"),
        ("risk.valu_at_risk", "value_at_risk"), ("agents.should_tade", "should_trade"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_there_is_answered_with_the_one_meant(name: str, meant: str) -> None:
    *path, last = name.split(".")
    holder = kernel_lib
    for each in path:
        holder = getattr(holder, each)
    with pytest.raises(AttributeError, match=rf"has no attribute '{last}' \(did you mean {meant}\?\)"):
        getattr(holder, last)


@pytest.mark.parametrize("package", [agents, client, features, models, risk])
def test_the_dot_completes_what_the_package_is_for(package: Any) -> None:
    assert dir(package) == sorted(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)


def test_parts_are_loaded_when_they_are_asked_for_and_not_before() -> None:
    program = (
        "import sys, kernel_lib; assert 'kernel_lib.features' not in sys.modules; "
        "assert {'features', 'models', 'agents', 'risk', 'catalogue'} <= set(dir(kernel_lib)); "
        "print(kernel_lib.features.rsi(14))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "rsi(window=14)"
