"""How often somebody may try to log in: a few tries a minute from one place, more over all places."""

from collections import OrderedDict

__all__ = ["Attempts"]

_KEYS = 10_000


class Attempts:
    """Count failures by key in a sliding window, in bounded memory.

    Parameters
    ----------
    limit : int
        Failures allowed within ``window_s`` seconds.
    window_s : float
        Length of the window.

    >>> attempts = Attempts(limit=2, window_s=60.0)
    >>> attempts.failed("bob", now_s=0.0); attempts.failed("bob", now_s=1.0)
    >>> attempts.wait_s("bob", now_s=2.0)
    58.0
    >>> attempts.wait_s("bob", now_s=60.5)
    0.0
    """

    def __init__(self, *, limit: int, window_s: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, key: str, *, now_s: float) -> float:
        """Say how long ``key`` must wait before the next try, in seconds; 0 means now."""
        recent = self._recent(key, now_s)
        return recent[-self.limit] + self.window_s - now_s if len(recent) >= self.limit else 0.0

    def failed(self, key: str, *, now_s: float) -> None:
        """Count one failure."""
        self._failures[key] = [*self._recent(key, now_s), now_s][-self.limit :]
        self._failures.move_to_end(key)
        while len(self._failures) > _KEYS:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    def _recent(self, key: str, now_s: float) -> list[float]:
        return [at for at in self._failures.get(key, ()) if at > now_s - self.window_s]
