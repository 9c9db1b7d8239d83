"""Opening a file that somebody else wrote: compressed or not, of any size, possibly hostile."""

import lzma
import re
import zipfile
import zlib
from pathlib import Path

import msgspec

from kernel_lib.errors import BadData

__all__ = ["Limits", "Source", "expand_lzma"]

_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_HEAD_BYTES = 4096


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much an import may take.

    Parameters
    ----------
    max_bytes : int
        Largest expanded size of one file.
    max_ratio : int
        Largest expansion beyond the first 64 MiB; text compresses ten to twenty times, a bomb a thousand times.
    max_line_bytes : int
        Longest line of a text file.
    """

    max_bytes: int = 4 << 30
    max_ratio: int = 100
    max_line_bytes: int = 4096


class Source:
    """One file, with what is needed to recognise it and to read it whole.

    Attributes
    ----------
    name : str
        The file's name without ``.gz``.
    head : bytes
        Its first expanded bytes.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self.limits = limits
        self.is_directory = path.is_dir()
        self.name = re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)
        self.head = b""
        if self.is_directory:
            return
        try:
            with path.open("rb") as file:
                start = file.read(_HEAD_BYTES)
        except OSError as error:
            raise BadData(f"the file must be readable: {error.strerror}", source=path.name) from error
        if not start:
            raise BadData("the file must not be empty", source=path.name)
        self.is_gzip = start[:2] == _GZIP
        self.head = self._gunzip(_HEAD_BYTES) if self.is_gzip else start

    def content(self) -> bytes:
        """Read and expand the whole file."""
        if self.is_gzip:
            return self._gunzip(None)
        size = self.path.stat().st_size
        if size > self.limits.max_bytes:
            raise BadData(f"the file must be at most {self.limits.max_bytes} bytes, it was {size}", source=self.name)
        return self.path.read_bytes()

    def only_member(self) -> tuple[str, bytes]:
        """Expand the one file that a zip archive must hold; give its name and bytes.

        Raises
        ------
        BadData
            Not a zip, damaged, encrypted, several members, a path in a member's name, or too large.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = archive.infolist()
                if len(members) != 1:
                    raise BadData(f"the archive must hold one file, it held {len(members)}", source=self.path.name)
                member = members[0]
                if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", member.filename):
                    raise BadData(
                        f"a file in the archive must have a plain name, it was {member.filename[:80]!r}",
                        source=self.path.name,
                    )
                if member.flag_bits & 1:
                    raise BadData("the archive must not be encrypted", source=self.path.name)
                parts, total = [], 0
                with archive.open(member) as file:
                    while part := file.read(_CHUNK):
                        total += len(part)
                        self._check_size(total)
                        parts.append(part)
                return member.filename, b"".join(parts)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
            raise BadData(f"the file must be a whole zip archive: {error}", source=self.path.name) from error

    def _gunzip(self, first_bytes: int | None) -> bytes:
        parts: list[bytes] = []
        total = 0
        expander = zlib.decompressobj(wbits=31)
        with self.path.open("rb") as file:
            try:
                pending = file.read(_CHUNK)
                while pending:
                    part = expander.decompress(pending, _CHUNK)
                    total += len(part)
                    self._check_size(total)
                    parts.append(part)
                    if first_bytes is not None and total >= first_bytes:
                        return b"".join(parts)[:first_bytes]
                    pending = expander.unconsumed_tail
                    if expander.eof:
                        # Several gzip members in a row are one file.
                        pending = expander.unused_data or file.read(_CHUNK)
                        if pending.strip(b"\0"):
                            expander = zlib.decompressobj(wbits=31)
                        else:
                            pending = b""
                    elif not pending:
                        pending = file.read(_CHUNK)
            except zlib.error as error:
                raise BadData(f"the gzip file is damaged after {total} bytes: {error}", source=self.path.name) from None
        if not expander.eof:
            raise BadData(
                f"the gzip file must be whole, it ends in the middle after {total} expanded bytes; fetch it again",
                source=self.path.name,
            )
        if not total:
            raise BadData("the file must not be empty", source=self.path.name)
        return b"".join(parts)

    def _check_size(self, total: int) -> None:
        packed = self.path.stat().st_size
        bomb = total > (64 << 20) and total > packed * self.limits.max_ratio
        if total > self.limits.max_bytes or bomb:
            raise BadData(
                f"the file must expand to at most {self.limits.max_bytes} bytes and {self.limits.max_ratio} times its "
                f"size, {packed} bytes had become {total} so far",
                source=self.path.name,
            )


def expand_lzma(packed: bytes, max_bytes: int, source: str) -> bytes:
    """Expand LZMA bytes to at most ``max_bytes``."""
    expander = lzma.LZMADecompressor(memlimit=256 << 20)
    try:
        content = expander.decompress(packed, max_bytes + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise BadData(f"the file must be LZMA: {error}", source=source) from None
    if len(content) > max_bytes:
        raise BadData(f"the file must expand to at most {max_bytes} bytes", source=source)
    if not expander.eof:
        raise BadData(f"the LZMA data must be whole, they end after {len(content)} expanded bytes", source=source)
    return content
