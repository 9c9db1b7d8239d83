"""What several commands ask for alike: a strategy by name, file or hash, settings as name=value, numbers, speeds."""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kernel_lib.errors import BadData, Misconfigured

if TYPE_CHECKING:
    from kernel_lib.strategy import Strategy

__all__ = [
    "FINITE",
    "POSITIVE",
    "SPEED",
    "check_writable",
    "choose_strategy",
    "echo_json",
    "parse_settings",
]


class _Number(click.ParamType):  # type: ignore[type-arg]
    """A number that is one: click's own takes ``nan`` and ``inf``."""

    name = "number"

    def __init__(self, *, positive: bool) -> None:
        self._positive = positive

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or (self._positive and number <= 0):
            self.fail(f"must be a number{' above 0' if self._positive else ''}, it was {str(value)[:60]!r}", param, ctx)
        return number


class _Speed(click.ParamType):  # type: ignore[type-arg]
    """Market seconds a second, or ``max``."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            good = value == "max" or 0 < float(value) < math.inf
        except ValueError:
            good = False
        if not good:
            self.fail(f"must be market seconds a second, above 0, or 'max'; it was {str(value)[:60]!r}", param, ctx)
        return str(value)


FINITE, POSITIVE, SPEED = _Number(positive=False), _Number(positive=True), _Speed()


def choose_strategy(named: str) -> "Strategy":
    """Find a reference strategy by name, or run ``path.py:name`` of the caller's own.

    Raises
    ------
    BadData
        No such strategy or file; the message lists what there is.
    """
    from kernel_lib.strategies import CATALOGUE
    from kernel_lib.strategy import load_strategy

    if named in CATALOGUE:
        return CATALOGUE[named]
    file, colon, entry = named.rpartition(":")
    if not colon or not file.endswith(".py"):
        raise BadData(f"a strategy is one of {', '.join(sorted(CATALOGUE))}, or path.py:name; it was {named!r}")
    path = Path(file)
    if not path.is_file():
        raise BadData(f"there is no file {file!r}")
    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadData(f"a strategy's file must be UTF-8 text: {error}", source=file) from error
    return load_strategy(source, entry, filename=str(path))


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work is done whose result it shall hold.

    Raises
    ------
    Misconfigured
        Its directory is missing or closed, or a directory stands in its place.
    """
    if not path.parent.is_dir():
        raise Misconfigured(f"there is no directory {str(path.parent)!r} to write {path.name} into")
    if path.is_dir():
        raise Misconfigured(f"a file's name must be given to write, {str(path)!r} is a directory")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise Misconfigured(f"{str(path)!r} must be writable, it is not")


def parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """Turn ``("fast=20", "low=25.5")`` into numbers by name."""
    parsed: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        try:
            if not equals:
                raise ValueError
            number = float(text)
        except ValueError:
            raise Misconfigured(f"--set takes name=number, such as --set fast=20; it was {setting!r}") from None
        if name.strip() in parsed:
            raise Misconfigured(f"--set names each parameter once, {name.strip()} came twice")
        parsed[name.strip()] = int(number) if number.is_integer() and "." not in text and "e" not in text else number
    return parsed


def echo_json(answer: object) -> None:
    """Print one JSON object; a number that is none becomes null."""
    import json
    import math

    def clean(each: object) -> object:
        if isinstance(each, dict):
            return {key: clean(inner) for key, inner in each.items()}
        if isinstance(each, list | tuple):
            return [clean(inner) for inner in each]
        if isinstance(each, float) and not math.isfinite(each):
            return None
        return each.item() if hasattr(each, "item") else each

    click.echo(json.dumps(clean(answer), allow_nan=False))
