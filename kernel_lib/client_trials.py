"""The counter of a process that has a hub token: what ran is on disk at once and on the platform soon.

Each :class:`~kernel_lib.counter.Runs` is one small file, written before the run is given back, so that a kernel that is
killed then has lost nothing. A thread posts the files, many at a time, and removes them when the api has counted them;
each has an identity, under which it counts once however often it arrives. What is left over while the api is down is
sent by the next process of this user.

The files lie in the user's own home, who can remove them before they are sent, as one can compute without this library:
the ledger counts what the library runs, and is no lock.
"""

import atexit
import contextlib
import hashlib
import os
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kernel_lib.counter import Runs, Tally
from kernel_lib.errors import BadData, Misconfigured, Refused, TickhubError, Transient

if TYPE_CHECKING:
    from kernel_lib.client import Client

__all__ = ["PlatformCounter", "counter_from"]

_POST_BYTES = 4 << 20
_POST_FILES = 200
_EVERY_S = 0.25
_MOST_WAIT_S = 60.0
_TALLY_S = 10.0
_EXIT_S = 2.0
_FRESH_S = 5.0
_DAY_S = 86_400


def counter_from(environ: Mapping[str, str]) -> "PlatformCounter | None":
    """Make the counter of a process whose environment has a hub token and an address; None where it has not."""
    if not environ.get("JUPYTERHUB_API_TOKEN"):
        return None
    from kernel_lib.client import Client

    with contextlib.suppress(Misconfigured):
        client = Client.from_environ(environ)
        parent = environ.get("TICKHUB_CACHE") or Path(environ.get("XDG_CACHE_HOME", "~/.cache")) / "tickhub"
        counter = PlatformCounter(client, Path(parent).expanduser() / "trials" / _place(environ))
        atexit.register(counter.close, _EXIT_S)
        return counter
    return None


class PlatformCounter:
    """Counts on the platform.

    Parameters
    ----------
    client : Client
        Its own: it is used from a thread.
    folder : Path
        Where runs wait to be sent.
    """

    def __init__(self, client: "Client", folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._left: tuple[int, float | None] = (-1, None)
        self._heard_s = float("-inf")
        self._asked = False
        self._unsent_s = 0.0
        #: Why the platform refused to count what lies in the folder ``refused``; empty: nothing was.
        self.refused = ""

    def count(self, runs: Runs) -> None:
        """Write the runs down and let the thread send them."""
        batch = uuid.uuid4().hex
        content = msgspec.msgpack.encode(msgspec.structs.replace(runs, batch=batch))
        try:
            path = self._folder / f"{time.time_ns():020d}-{batch}.runs"
            draft = path.with_suffix(".draft")
            try:
                draft.write_bytes(content)
            except FileNotFoundError:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                draft.write_bytes(content)
            draft.rename(path)
        except OSError:  # a full or read-only disk: straight to the platform, or lost, and the report says which
            try:
                self._post([content])
            except TickhubError as error:
                self.refused = f"{error}; and {self._folder} cannot be written"
            return
        with self._lock:
            self._unsent_s += runs.seconds
        self._start()

    def tally(self, hypothesis: str, symbol: str) -> Tally:
        """Send what waits, then ask the api.

        Raises
        ------
        Transient, Refused
            It does not answer, or says no.
        """
        note = ""
        try:
            self.send(_TALLY_S)
        except Transient as error:
            n_waiting = len(self._waiting())
            if n_waiting:
                raise Transient(f"{error} ({n_waiting:,} runs wait to be sent)") from error
            raise
        if self.refused:
            note = f"the platform refused some runs: {self.refused}"
        answer = self._client.trials(hypothesis=hypothesis, symbol=symbol)
        return msgspec.convert({**answer, "by": "platform", "note": note}, Tally)

    def left_seconds(self, *, ask: bool = False) -> float | None:
        """Give the backtest-seconds left today; what is written down and not yet sent is taken off.

        A process asks once by itself: a fresh kernel would else run whatever it likes before it hears anything.
        """
        if not (ask or self._asked):
            self._asked = True
            with contextlib.suppress(TickhubError):
                self._heard(self._client.quota()["backtest_seconds"])
        if ask and time.monotonic() - self._heard_s > _FRESH_S:
            self._heard(self._client.quota()["backtest_seconds"])
        day, left = self._left
        if left is None or day != int(time.time()) // _DAY_S:
            return None
        with self._lock:
            return max(0.0, left - self._unsent_s)

    def send(self, within_s: float) -> None:
        """Send what waits, now.

        Raises
        ------
        Transient
            The api did not answer in time.
        """
        until = time.monotonic() + within_s
        if not self._sending.acquire(timeout=within_s):
            raise Transient(f"runs must be sent within {within_s:g} s, another thread is still at it")
        try:
            while paths := self._waiting():
                if time.monotonic() > until:
                    raise Transient(f"runs must be sent within {within_s:g} s, {len(paths):,} files are left")
                self._send_some(paths)
        finally:
            self._sending.release()

    def close(self, within_s: float = 0.0) -> None:
        """Stop the thread; what could not be sent stays on disk for the next process."""
        with contextlib.suppress(TickhubError):
            if within_s and self._waiting():
                self.send(within_s)
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_EXIT_S)
        self._client.close()

    def _start(self) -> None:
        self._wake.set()
        if self._thread is None or not self._thread.is_alive():  # also in a process that was forked
            with self._lock:
                self._thread = threading.Thread(target=self._run, name="trials", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause_s = _EVERY_S
        while True:
            self._wake.wait()
            self._wake.clear()
            # A loop of replays makes many files: they gather, and go together.
            if self._closing.wait(pause_s):
                return
            try:
                self.send(_MOST_WAIT_S)
                pause_s = _EVERY_S
            except (Transient, OSError):
                pause_s = min(2 * pause_s, _MOST_WAIT_S)
                self._wake.set()

    def _waiting(self) -> list[Path]:
        try:
            return sorted(each for each in self._folder.iterdir() if each.suffix == ".runs")
        except FileNotFoundError:
            return []

    def _send_some(self, paths: list[Path]) -> None:
        contents: list[bytes] = []
        taken: list[Path] = []
        for path in paths[:_POST_FILES]:
            with contextlib.suppress(FileNotFoundError):  # another process of this user was first
                content = path.read_bytes()
                if contents and sum(map(len, contents)) + len(content) > _POST_BYTES:
                    break
                contents.append(content)
                taken.append(path)
        if not contents:
            return
        try:
            self._post(contents)
        except (BadData, Refused) as error:
            if isinstance(error, Refused) and error.code in ("rate", "no_token", "bad_token"):
                raise Transient(str(error)) from None
            if len(taken) > 1:  # one bad file must not keep the others
                for path in taken:
                    self._send_some([path])
                return
            self.refused = str(error)
            aside = self._folder / "refused"
            aside.mkdir(exist_ok=True)
            taken[0].rename(aside / taken[0].name)
            return
        with self._lock:
            self._unsent_s = max(0.0, self._unsent_s - sum(_seconds(each) for each in contents))
        for path in taken:
            path.unlink(missing_ok=True)

    def _post(self, contents: list[bytes]) -> None:
        # The files hold the messages as they travel: a list of them is their bytes behind a head.
        body = b"\xdd" + len(contents).to_bytes(4, "big") + b"".join(contents)
        answer = self._client.post_trials(body)
        self._heard(answer["backtest_seconds"])

    def _heard(self, seconds: dict[str, Any]) -> None:
        left = seconds.get("left")
        self._heard_s = time.monotonic()
        self._left = (int(time.time()) // _DAY_S, None if left is None else float(left))


def _seconds(content: bytes) -> float:
    return msgspec.msgpack.decode(content, type=Runs).seconds


def _place(environ: Mapping[str, str]) -> str:
    # Runs are sent to the platform they were made for.
    address = environ.get("TICKHUB_URL") or environ.get("TICKHUB_SERVICES", "")
    return hashlib.sha256(f"{address} {os.getuid()}".encode()).hexdigest()[:16]
