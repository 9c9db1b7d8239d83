"""Where things are, read from the environment once."""

from pathlib import Path

import pytest

from kernel_lib.cli.doctor import examine
from kernel_lib.config import Ports
from kernel_lib.errors import Misconfigured


def test_ports_are_the_usual_ones_unless_said() -> None:
    assert Ports.from_environ({}) == Ports(hub=8000, bridge=8001, control=8007, bind="127.0.0.1")
    said = {"TICKHUB_PORT": "1", "TICKHUB_BRIDGE_PORT": "65535", "TICKHUB_CONTROL_PORT": "9", "TICKHUB_BIND": "0.0.0.0"}
    assert Ports.from_environ(said) == Ports(hub=1, bridge=65_535, control=9, bind="0.0.0.0")


@pytest.mark.parametrize("text", ["0", "65536", "-1", "8000.5", "abc", "", "\u0668\u0660\u0660\u0660\u0660\u0660"])
def test_a_port_that_is_none_is_named(text: str) -> None:
    with pytest.raises(Misconfigured, match="TICKHUB_BRIDGE_PORT must be a whole number from 1 to 65535"):
        Ports.from_environ({"TICKHUB_BRIDGE_PORT": text})


def test_the_doctor_sees_that_state_cannot_live_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "home"
    place.write_text("")
    monkeypatch.setenv("TICKHUB_HOME", str(place))
    state = next(each for each in examine() if each.name == "state")
    assert (state.state, state.found) == ("missing", f"{place} is no directory")
