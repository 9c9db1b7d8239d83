"""The table of open pages, the filter of a page's messages, and settings that cannot work."""

import json
from pathlib import Path

import pytest
from tornado import web

from dashboards.identity import Viewer
from dashboards.pages_http import is_harmless
from dashboards.settings import DeskSettings
from dashboards.viewers import ENDED, Viewers
from kernel_lib.config import Home, Secret
from kernel_lib.errors import Misconfigured, Refused

ANNA, BEN = Viewer("anna", Secret("a" * 32)), Viewer("ben", Secret("b" * 32))


class KeepsCount:
    """Ends kernels, some of which are gone already or in no state to end, and remembers which."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def __call__(self, kernel_id: str) -> None:
        self.ended.append(kernel_id)
        if kernel_id == "gone":
            raise KeyError(kernel_id)
        if kernel_id == "stuck":
            raise web.HTTPError(404, f"Kernel does not exist: {kernel_id}")


class OpenPage:
    """A page's WebSocket that remembers how it was closed."""

    def __init__(self) -> None:
        self.closed: tuple[int | None, str | None] | None = None

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.closed = (code, reason)


class Clock:
    """Stands at ``now_s`` until it is put elsewhere."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def table(most: int = 3, most_per_viewer: int = 2, clock: Clock | None = None) -> tuple[Viewers, KeepsCount]:
    ends = KeepsCount()
    made = Viewers(ends, most=most, most_per_viewer=most_per_viewer, idle_s=120.0, clock=clock or Clock())
    return made, ends


def test_a_kernel_belongs_to_its_viewer_alone() -> None:
    viewers, _ = table()
    viewers.bind("k1", ANNA)
    assert viewers.owns("anna", "k1")
    assert not viewers.owns("ben", "k1")
    assert not viewers.owns("anna", "k2")


async def test_a_viewers_oldest_page_makes_room_for_a_further_one() -> None:
    viewers, ends = table()
    for kernel_id in ("k1", "k2"):
        await viewers.make_room(ANNA)
        viewers.bind(kernel_id, ANNA)
    await viewers.make_room(ANNA)
    assert ends.ended == ["k1"]
    assert viewers.owns("anna", "k2")


async def test_a_kernel_that_died_is_in_nobodys_way() -> None:
    viewers, ends = table()
    for kernel_id in ("stuck", "k2"):
        viewers.bind(kernel_id, ANNA)
    await viewers.make_room(ANNA)
    assert ends.ended == ["stuck"]
    assert len(viewers) == 1


async def test_no_page_is_opened_beyond_the_most() -> None:
    viewers, _ = table(most=1)
    viewers.bind("k1", BEN)
    with pytest.raises(Refused, match="at most 1 pages"):
        await viewers.make_room(ANNA)


async def test_the_pages_of_somebody_whose_rights_ended_are_closed_and_no_others() -> None:
    viewers, ends = table()
    pages = {"k1": OpenPage(), "k2": OpenPage(), "gone": OpenPage()}
    for kernel_id, viewer in (("k1", ANNA), ("k2", BEN), ("gone", ANNA)):
        viewers.bind(kernel_id, viewer)
        viewers.opened(kernel_id, pages[kernel_id])

    async def only_ben(viewer: Viewer) -> bool:
        return viewer.name == "ben"

    await viewers.recheck_once(only_ben)
    assert pages["k1"].closed == pages["gone"].closed == (ENDED, "your access has ended")
    assert pages["k2"].closed is None
    assert ends.ended == ["k1", "gone"]
    assert len(viewers) == 1


async def test_a_kernel_whose_page_went_without_a_word_is_ended_and_makes_room() -> None:
    clock = Clock()
    viewers, ends = table(most=1, clock=clock)
    page = OpenPage()
    viewers.bind("k1", ANNA)
    clock.now_s += 119
    await viewers.end_left()
    viewers.opened("k1", page)
    clock.now_s += 10_000
    await viewers.end_left()
    assert ends.ended == []
    viewers.closed("k1", page)
    clock.now_s += 119
    await viewers.end_left()
    assert ends.ended == []
    clock.now_s += 2
    await viewers.end_left()
    assert ends.ended == ["k1"]
    await viewers.make_room(BEN)
    assert len(viewers) == 0


async def test_a_page_that_is_closed_after_its_end_leaves_nothing_behind() -> None:
    clock = Clock()
    viewers, ends = table(clock=clock)
    page = OpenPage()
    viewers.bind("k1", ANNA)
    viewers.opened("k1", page)
    await viewers.end("k1", "opened too often")
    viewers.closed("k1", page)
    clock.now_s += 10_000
    await viewers.end_left()
    assert ends.ended == ["k1"]


async def test_pages_stay_while_nobody_can_say() -> None:
    viewers, ends = table()
    viewers.bind("k1", ANNA)

    async def silent(_: Viewer) -> bool:
        raise ConnectionRefusedError

    await viewers.recheck_once(silent)
    assert viewers.owns("anna", "k1")
    assert ends.ended == []


def framed(kind: str, content: dict[str, str]) -> bytes:
    """A message of the v1 WebSocket protocol, laid out by hand: count, offsets, then the parts."""
    parts = [b"shell", json.dumps({"msg_type": kind}).encode(), b"{}", b"{}", json.dumps(content).encode()]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return b"".join([len(offsets).to_bytes(8, "little"), *(n.to_bytes(8, "little") for n in offsets), *parts])


@pytest.mark.parametrize("kind", ["kernel_info_request", "comm_info_request", "comm_msg", "comm_close"])
def test_messages_of_widgets_pass(kind: str) -> None:
    assert is_harmless(framed(kind, {}))
    assert is_harmless(json.dumps({"header": {"msg_type": kind}, "content": {}}))


@pytest.mark.parametrize(
    "kind",
    [
        "execute_request", "complete_request", "inspect_request", "history_request", "is_complete_request",
        "debug_request", "interrupt_request", "create_subshell_request", "usage_request", "input_reply",
        "shutdown_request", "",
    ],
)  # fmt: skip
def test_everything_else_is_refused(kind: str) -> None:
    assert not is_harmless(framed(kind, {}))
    assert not is_harmless(json.dumps({"header": {"msg_type": kind}, "content": {}}))


def test_a_page_opens_no_widget_of_its_own_making() -> None:
    assert is_harmless(framed("comm_open", {"target_name": "jupyter.widget.control"}))
    assert not is_harmless(framed("comm_open", {"target_name": "jupyter.widget"}))


@pytest.mark.parametrize(
    "garbage", ["", "[]", "null", '{"header": 1}', b"", b"\xff" * 7, b"\xff" * 64, b"\x00" * 64, bytes(range(256))]
)
def test_garbage_is_refused(garbage: str | bytes) -> None:
    assert not is_harmless(garbage)


def test_settings_name_what_is_missing(home: Home, tmp_path: Path) -> None:
    environ = {"TICKHUB_HOME": str(home.root)}
    with pytest.raises(Misconfigured, match=r"desk\.token"):
        DeskSettings.from_environ(environ)
    (home / "keys" / "desk.token").write_text("short")
    with pytest.raises(Misconfigured, match="at least 32"):
        DeskSettings.from_environ(environ)
    (home / "keys" / "desk.token").write_text("t" * 64)
    with pytest.raises(Misconfigured, match="ws://"):
        DeskSettings.from_environ(environ | {"TICKHUB_STREAM_URL": "http://elsewhere"})
    settings = DeskSettings.from_environ(environ | {"TICKHUB_BRIDGE_PORT": "18001"})
    assert settings.bridge_port == 18001
    assert "t" * 64 not in repr(settings)
