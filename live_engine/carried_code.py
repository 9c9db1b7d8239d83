"""A strategy's machine code, carried from a lost strategy process to the one that comes after it.

Compiling is what a fresh process would spend its time on while the desk waits. The code goes through the desk, which
holds it for as long as it lives and never looks inside; both ends of this module run in the sandbox. It is trusted no
more than the strategies that were in the process with it, which are the same tenant's, and is not kept on disk: a desk
that starts compiles anew.
"""

import contextlib
import re

import msgspec

from kernel_lib.kept_code import kept_directory

__all__ = ["MOST_BYTES", "collect", "kept_names", "lay_out"]

#: More code than a strategy has by far (30 kB each form); what is larger is compiled again.
MOST_BYTES = 4 * 1024**2
_NAME = re.compile(r"[0-9a-f]{64}\.code")


def kept_names() -> frozenset[str]:
    """Give the names of the composed code that is kept in this process's cache."""
    directory = kept_directory()
    if directory is None or not directory.is_dir():
        return frozenset()
    return frozenset(each.name for each in directory.iterdir() if _NAME.fullmatch(each.name))


def collect(known: frozenset[str]) -> bytes:
    """Pack what has been kept beside the ``known``; empty where there is nothing, or too much."""
    directory = kept_directory()
    if directory is None:
        return b""
    found: dict[str, bytes] = {}
    for name in sorted(kept_names() - known):
        with contextlib.suppress(OSError):  # pruned a moment ago
            found[name] = (directory / name).read_bytes()
    packed = msgspec.msgpack.encode(found) if found else b""
    return packed if len(packed) <= MOST_BYTES else b""


def lay_out(packed: bytes) -> None:
    """Unpack into this process's cache, before what it was made of is composed; what is unusable is left out."""
    directory = kept_directory()
    if not packed or directory is None:
        return
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        directory.mkdir(parents=True, exist_ok=True)
        for name, code in msgspec.msgpack.decode(packed, type=dict[str, bytes]).items():
            if _NAME.fullmatch(name):
                (directory / name).write_bytes(code)
