"""What the terminal's answer to ``order_send`` means: each return code and each error has one meaning.

A code that is not listed leaves the outcome open, and so does an answer that was lost: the order is then looked for
at the broker, never simply sent again.
"""

from enum import Enum
from typing import Any

__all__ = ["Meaning", "meaning_of"]


class Meaning(Enum):
    """What is to be done after an answer."""

    DONE = "the broker executed it, wholly or in part: its deals say what"
    PLACED = "the server has it: its deals, or its end, will come"
    AGAIN = "asked at a price that is gone: nothing happened"
    REFUSED = "nothing happened"
    UNKNOWN = "nobody knows: look for it"


_DONE = frozenset((10009, 10010))
_PLACED = 10008
_AGAIN = frozenset((10004, 10020))
# 10011, 10012 and 10031 are not among them: the server may have executed it.
_REFUSED = frozenset(
    (10006, 10007, 10013, 10014, 10015, 10016, 10017, 10018, 10019, 10021, 10022, 10023, 10024, 10025, 10026, 10027,
     10028, 10029, 10030, 10032, 10033, 10034, 10035, 10036, 10038, 10039, 10040, 10041, 10042, 10043, 10044, 10045,
     10046)
)  # fmt: skip
#: ``last_error`` codes with which a request certainly did not leave: a wrong field, AutoTrading off, no pipe.
_NOT_DELIVERED = frozenset((-2, -8, -10003, -10004))


def meaning_of(result: Any, error: tuple[int, str]) -> tuple[Meaning, int, str]:
    """Read one answer.

    Parameters
    ----------
    result : OrderSendResult or None
    error : tuple
        ``last_error()`` after the call.

    Returns
    -------
    meaning : Meaning
    code : int
        The return code, or the error's where there is no result.
    text : str
        In the terminal's words.

    >>> meaning_of(None, (-10002, "IPC recv failed"))[0].name
    'UNKNOWN'
    """
    if result is None:
        code, text = error
        if code in _NOT_DELIVERED:
            return Meaning.REFUSED, code, f"not delivered: {code} {text}"
        return Meaning.UNKNOWN, code, f"the answer was lost ({code} {text}); looking for it"
    code, text = int(result.retcode), str(result.comment)
    if code in _DONE:
        return Meaning.DONE, code, text
    if code == _PLACED:
        return Meaning.PLACED, code, text
    if code in _AGAIN:
        return Meaning.AGAIN, code, text
    if code in _REFUSED:
        return Meaning.REFUSED, code, text
    return Meaning.UNKNOWN, code, f"{text}; looking for it by its key"
