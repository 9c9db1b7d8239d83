"""Every error of the platform, sorted by the reaction it needs.

::

    TickhubError
    |-- BadData         quarantine it, count it, go on
    |-- Transient       retry with backoff
    |-- Misconfigured   refuse to start
    |-- Refused         tell the caller, with a code
    |-- StrategyFault   pause that strategy, keep the others
    `-- Broken          an invariant is lost: halt, follow the orphan policy, alert

A message says what must hold, what it was, and what to do about it.
"""

__all__ = ["BadData", "Broken", "Misconfigured", "Refused", "StrategyFault", "TickhubError", "Transient"]


class TickhubError(Exception):
    """Root of the tree; catch it only at the edge of a process.

    In a notebook it shows the reader's own lines and the words: see :mod:`kernel_lib.shown_error`.
    """

    def _render_traceback_(self) -> list[str]:
        from kernel_lib.shown_error import shown

        return shown(self, whole=isinstance(self, Broken))


class BadData(TickhubError):
    """Outside data breaks a rule: name where it stands, and which rule.

    Parameters
    ----------
    message : str
        What must hold and what it was.
    source : str
        File, stream or field it came from.
    line : int or None
        One-based line or record number in the source, where there is one.
    """

    def __init__(self, message: str, *, source: str = "", line: int | None = None) -> None:
        place = f"{source}:{line}: " if source and line is not None else f"{source}: " if source else ""
        super().__init__(f"{place}{message}")
        self.source = source
        self.line = line


class Transient(TickhubError):
    """It may work next time: a broken link, a full queue, a server that restarts."""


class Misconfigured(TickhubError):
    """The configuration cannot work as written; the program refuses to start."""


class Refused(TickhubError):
    """A rule says no to the caller: tier, quota, permission, tenant.

    Parameters
    ----------
    code : str
        Short and stable, for programs and metric labels: ``"tier_rows"``, ``"not_approved"``.
    message : str
        For a person: what must hold, what it was, what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class StrategyFault(TickhubError):
    """A strategy raised, answered nonsense, or did not answer in time."""


class Broken(TickhubError):
    """An invariant is lost; going on would trade on a wrong state."""
