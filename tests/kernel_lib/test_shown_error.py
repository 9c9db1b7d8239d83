"""What a notebook shows of an error of ours, in a real IPython shell: the reader's lines and the words."""

import subprocess
import sys
from collections.abc import Callable

import pytest

_SHELL = """
import sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
plain = {"InteractiveShell": {"colors": "nocolor"}, "HistoryManager": {"enabled": False}}
shell = InteractiveShell.instance(config=Config(plain))
for cell in sys.stdin.read().split("----\\n"):
    print("In:", flush=True)
    shell.run_cell(cell)
"""
_LEFT_OUT = "What the library did in between is left out; %tb Plain shows it."
_CALLS = """\
from kernel_lib.backtest import replay; from kernel_lib.strategies import ma_cross; import numpy as np

def mine():
    return replay(ma_cross, np.zeros(3))

mine()
"""
# A module of ours that fails in each way.
_MADE = """\
import types
ours = types.ModuleType("kernel_lib.made")
exec(compile('''
from kernel_lib.errors import BadData, Broken
def read():
    try:
        int("x")
    except ValueError as error:
        raise BadData("not a number") from error
def lose():
    raise Broken("lost")
def bug():
    return [][1]
class Shy:
    def __repr__(self):
        raise BadData("not shown")
''', "made.py", "exec"), vars(ours))
"""


@pytest.fixture
def shell() -> Callable[..., list[str]]:
    """Run cells in a shell of their own; gives what each printed."""

    def run(*cells: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", _SHELL], input="----\n".join(cells), capture_output=True, text=True, check=True
        )
        return done.stdout.split("In:\n")[1:]

    return run


def test_an_error_of_ours_shows_the_readers_lines_and_the_words(shell: Callable[..., list[str]]) -> None:
    (said,) = shell(_CALLS)
    assert "----> 6 mine()" in said
    assert "----> 4     return replay(ma_cross, np.zeros(3))" in said
    assert "BadData: ticks must be a one-dimensional array of dtype TICK" in said
    assert "replay.py" not in said
    assert "checked.py" not in said
    assert said.rstrip().endswith(_LEFT_OUT)


def test_the_whole_is_shown_on_demand_as_the_hint_says(shell: Callable[..., list[str]]) -> None:
    _, again, plain, verbose = shell(_CALLS, "%tb\n", "%tb Plain\n", f"%xmode Verbose\n{_CALLS}")
    assert "replay.py" not in again
    for said in (plain, verbose):
        assert "replay.py" in said
        assert "checked.py" in said
        assert "BadData: ticks must be" in said
        assert _LEFT_OUT not in said


def test_an_error_without_frames_of_ours_promises_no_more(shell: Callable[..., list[str]]) -> None:
    (said,) = shell("from kernel_lib.errors import Refused\nraise Refused('no', 'not today')\n")
    assert "----> 2 raise Refused('no', 'not today')" in said
    assert said.rstrip().endswith("Refused: not today")


def test_what_the_reader_was_handling_is_shown_before_it(shell: Callable[..., list[str]]) -> None:
    handled = (
        "from kernel_lib.backtest import replay; from kernel_lib.strategies import ma_cross; import numpy as np\n"
        "try:\n    {}['key']\nexcept KeyError as error:\n    replay(ma_cross, np.zeros(3))\n"
    )
    wrapped = "from kernel_lib.errors import BadData\ntry:\n    {}['key']\nexcept KeyError as error:\n    "
    during, cause = shell(handled, f"{wrapped}raise BadData('bad') from error\n")
    assert during.index("KeyError: 'key'") < during.index("During handling") < during.index("BadData: ticks")
    assert "----> 3     {}['key']" in during
    assert "replay.py" not in during
    assert cause.index("KeyError: 'key'") < cause.index("the direct cause") < cause.index("BadData: bad")


def test_a_cause_within_the_library_is_left_to_the_message(shell: Callable[..., list[str]]) -> None:
    _, said = shell(_MADE, "ours.read()\n")
    assert "invalid literal" not in said
    assert "----> 1 ours.read()" in said
    assert "BadData: not a number" in said
    assert said.rstrip().endswith(_LEFT_OUT)


def test_an_error_while_an_object_is_shown_is_its_words(shell: Callable[..., list[str]]) -> None:
    _, said = shell(_MADE, "ours.Shy()\n")
    assert "BadData: not shown" in said
    assert "made.py" not in said


def test_a_lost_invariant_and_a_bug_keep_every_frame(shell: Callable[..., list[str]]) -> None:
    _, broken, bug = shell(_MADE, "ours.lose()\n", "ours.bug()\n")
    for said, words in ((broken, "Broken: lost"), (bug, "IndexError: list index out of range")):
        assert "made.py" in said
        assert words in said
        assert _LEFT_OUT not in said


def test_plain_python_prints_every_frame() -> None:
    done = subprocess.run([sys.executable, "-c", _CALLS], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "checked.py" in done.stderr
    assert "BadData: ticks must be" in done.stderr
