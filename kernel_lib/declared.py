"""What a call or a configuration takes is what its signature declares; the rest is refused in words, at the edge.

:func:`declared` goes before a public function, :class:`Declared` makes a frozen configuration. Both read the
annotations that are there anyway, once, and compare: a number where a number is wanted, an ``Instrument`` where an
``Instrument`` is, a word that exists and how it is spelled. What is annotated ``Any`` (series, tables) is read by the
function itself. Numbers of numpy count as numbers, true and false do not; a list is taken for a tuple, and a pandas
Series for a mapping of its labels. A class that nobody makes by hand says in ``comes_from`` what gives one.
"""

import collections.abc
import difflib
import functools
import inspect
import numbers
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar

import msgspec

from kernel_lib.errors import BadData

__all__ = ["Declared", "declared", "meant", "no_such", "shown"]

P = ParamSpec("P")
R = TypeVar("R")


class _Rule(NamedTuple):
    """Whether something is as declared, and what it must be in words.

    ``part`` finds what is wrong inside of it: where, by which rule, and what it was. What is of exactly one of the
    types in ``plain`` is as declared without another look.
    """

    holds: Callable[[Any], bool]
    words: str
    part: "Callable[[Any], tuple[str, _Rule, Any] | None] | None" = None
    plain: frozenset[type] = frozenset()

    def complaint(self, name: str, given: Any) -> str:
        found = None if self.part is None else self.part(given)
        if found is None:
            return f"{name} must be {self.words}, it was {shown(given)}"
        place, rule, inner = found
        return rule.complaint(f"{name} {place}", inner)


def declared(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse what the function's annotations do not declare, before it is called.

    Raises
    ------
    BadData
        An argument is of another kind than its annotation says.

    >>> @declared
    ... def worth(lots: float, symbol: str = "EURUSD") -> float:
    ...     return lots
    >>> worth("0.1")
    Traceback (most recent call last):
    kernel_lib.errors.BadData: worth: lots must be a number, it was '0.1'
    """
    by_place = [
        each.name for each in inspect.signature(function).parameters.values()
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]  # fmt: skip
    called = function.__qualname__.rpartition("<locals>.")[2].removesuffix(".__init__")

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        _refuse(called, rules(), by_place, args, kwargs)
        return function(*args, **kwargs)

    @functools.cache
    def rules() -> dict[str, _Rule]:
        known = inspect.unwrap(function).__globals__
        written = function.__annotations__
        return _rules({name: _resolved(written[name], known) for name in by_place if name in written})

    return checked


class Declared(msgspec.StructMeta):
    """The class of configurations that know the words they take, and of what kind.

    Fields named in a class's ``reads_itself`` are left to its own ``__post_init__``, as they take more than they keep.

    Raises
    ------
    BadData
        A word that is none of theirs, one that is needed and missing, or a value that is not as declared.

    >>> class Terms(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    ...     window: int
    ...     rate: float = 0.1
    >>> Terms(windw=3)
    Traceback (most recent call last):
    kernel_lib.errors.BadData: Terms takes window, rate; it was given windw (did you mean window?)
    >>> Terms(window=2.5)
    Traceback (most recent call last):
    kernel_lib.errors.BadData: Terms: window must be a whole number, it was 2.5
    """

    def __call__(self, *values: Any, **words: Any) -> Any:
        try:
            rules = _RULES[self]
        except KeyError:
            kinds = typing.get_type_hints(self)
            own = getattr(self, "reads_itself", ())
            rules = _RULES[self] = _rules({name: kinds[name] for name in self.__struct_fields__ if name not in own})
        if rules:
            _refuse(self.__name__, rules, self.__match_args__, values, words)
        try:
            return super().__call__(*values, **words)
        except TypeError:
            wrong = _wrong(self, values, words)
            if wrong:
                raise BadData(f"{self.__name__} takes {', '.join(self.__struct_fields__)}; {wrong}") from None
            raise


_RULES: dict[type, dict[str, _Rule]] = {}


def meant(word: str, words: Iterable[str]) -> str:
    """Say which of the words was meant, ready to stand behind the wrong one; empty where none is near.

    >>> meant("windw", ["window", "rate"])
    ' (did you mean window?)'
    """
    known = {each.lower(): each for each in words}
    near = difflib.get_close_matches(word.lower(), known, n=1)
    return f" (did you mean {known[near[0]]}?)" if near else ""


def no_such(module: str, name: str, names: Iterable[str]) -> AttributeError:
    """Make the error of a name that a module does not have, with the one that was meant.

    >>> no_such("kernel_lib.models", "XGBost", ["Svm", "XGBoost"])
    AttributeError("module 'kernel_lib.models' has no attribute 'XGBost' (did you mean XGBoost?)")
    """
    return AttributeError(f"module {module!r} has no attribute {name!r}{meant(name, names)}", name=name)


def shown(given: Any) -> str:
    """Say in a line what something was.

    >>> shown([0.0] * 1000)
    'a list of 1000'
    """
    name = type(given).__name__
    shape = getattr(given, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"{name} of shape {shape}"
    text = repr(given)
    if len(text) <= 60 and "\n" not in text and " at 0x" not in text:
        return text
    size = f" of {len(given)}" if hasattr(given, "__len__") else ""
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}{size}"


def _wrong(cls: Declared, values: tuple[Any, ...], words: dict[str, Any]) -> str:
    """Tell what of the call does not fit the configuration; empty where it fits, and something else went wrong."""
    unknown = [each for each in words if each not in cls.__struct_fields__]
    if unknown:
        return "it was given " + ", ".join(f"{each}{meant(each, cls.__struct_fields__)}" for each in unknown)
    by_place = cls.__match_args__
    if len(values) > len(by_place):
        allowed = f"at most {len(by_place)} without its name" if by_place else "each by its name"
        return f"it takes {allowed}, as in {cls.__struct_fields__[-1]}=..., it was given {len(values)} without"
    needed = [each.name for each in cls.__signature__.parameters.values() if each.default is each.empty]
    missing = [each for each in needed if each not in words and each not in by_place[: len(values)]]
    return f"{', '.join(missing)} must be given and was not" if missing else ""


def _refuse(
    called: str, rules: dict[str, _Rule], by_place: Sequence[str], values: tuple[Any, ...], words: dict[str, Any]
) -> None:
    # This runs before every call, sixteen times for a consensus: what is of the plain type costs one look.
    for name, given in (*zip(by_place, values, strict=False), *words.items()) if values else words.items():
        rule = rules.get(name)
        if rule is not None and type(given) not in rule.plain and not rule.holds(given):
            raise BadData(f"{called}: {rule.complaint(name, given)}")


def _rules(kinds: dict[str, Any]) -> dict[str, _Rule]:
    found = {name: _rule(kind) for name, kind in kinds.items()}
    return {name: rule for name, rule in found.items() if rule is not _ANYTHING}


def _resolved(kind: Any, known: dict[str, Any]) -> Any:
    """Look up an annotation that is written as a text; one that only a type checker imports takes anything."""
    try:
        return eval(kind, known) if isinstance(kind, str) else kind  # noqa: S307  (our own source)
    except NameError:
        return Any


def _rule(kind: Any) -> _Rule:
    """Read one annotation."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if origin in (typing.Union, types.UnionType):
        return _either([_rule(each) for each in inner])
    if origin is Literal:
        return _Rule(lambda given: isinstance(given, str) and given in inner, " or ".join(map(repr, inner)))
    if origin is tuple:
        return _tuple(inner)
    if origin in (Sequence, Iterable, list):
        return _each(_rule(inner[0]))
    if origin in (Mapping, dict):
        return _mapping(_rule(inner[1]))
    if origin is collections.abc.Callable:
        return _Rule(callable, "a function")
    if inspect.isclass(kind) and origin is None and not getattr(kind, "_is_protocol", False):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        source = getattr(kind, "comes_from", "")
        words = f"{article} {kind.__name__}" + (f" ({source})" if isinstance(source, str) and source else "")
        return _Rule(lambda given: isinstance(given, kind), words)
    return _ANYTHING


def _is_number(given: Any) -> bool:
    return isinstance(given, numbers.Real) and not isinstance(given, bool)


def _is_whole(given: Any) -> bool:
    return isinstance(given, numbers.Integral) and not isinstance(given, bool)


def _is_true_or_false(given: Any) -> bool:
    return isinstance(given, bool) or type(given).__name__ == "bool"  # numpy's own is called bool too


_ANYTHING = _Rule(lambda given: True, "anything")
_PLAIN: dict[Any, _Rule] = {
    Any: _ANYTHING,
    object: _ANYTHING,
    float: _Rule(_is_number, "a number", plain=frozenset((float, int))),
    int: _Rule(_is_whole, "a whole number", plain=frozenset((int,))),
    bool: _Rule(_is_true_or_false, "true or false", plain=frozenset((bool,))),
    str: _Rule(lambda given: isinstance(given, str), "a text", plain=frozenset((str,))),
    bytes: _Rule(lambda given: isinstance(given, bytes | bytearray | memoryview), "bytes"),
    None: _Rule(lambda given: given is None, "None"),
    type(None): _Rule(lambda given: given is None, "None"),
}


def _either(rules: list[_Rule]) -> _Rule:
    if _ANYTHING in rules:
        return _ANYTHING

    def fits(given: Any) -> bool:
        return any(each.holds(given) for each in rules)

    def part(given: Any) -> tuple[str, _Rule, Any] | None:
        found = (each.part(given) for each in rules if each.part is not None)
        return next((each for each in found if each is not None), None)

    words = " or ".join(each.words for each in rules)
    return _Rule(fits, words, part, frozenset().union(*(each.plain for each in rules)))


def _is_sequence(given: Any) -> bool:
    return not isinstance(given, str | bytes) and hasattr(given, "__iter__")


def _each(rule: _Rule) -> _Rule:
    if rule is _ANYTHING:
        return _Rule(_is_sequence, "a sequence")

    def fits(given: Any) -> bool:
        # What can be walked through only once is looked at by the function itself.
        return _is_sequence(given) and (not hasattr(given, "__len__") or all(map(rule.holds, given)))

    def part(given: Any) -> tuple[str, _Rule, Any] | None:
        if not _is_sequence(given):
            return None
        return next(((f"at {place}", rule, each) for place, each in enumerate(given) if not rule.holds(each)), None)

    return _Rule(fits, f"a sequence, each of them {rule.words}", part)


def _tuple(inner: tuple[Any, ...]) -> _Rule:
    if not inner or inner[-1] is Ellipsis:
        rule = _each(_rule(inner[0]) if inner else _ANYTHING)
        return _Rule(lambda given: isinstance(given, tuple | list) and rule.holds(given), rule.words, rule.part)
    rules = [_rule(each) for each in inner]

    def fits(given: Any) -> bool:
        return isinstance(given, tuple | list) and len(given) == len(rules) and all(
            rule.holds(each) for rule, each in zip(rules, given, strict=True)
        )  # fmt: skip

    return _Rule(fits, "(" + ", ".join(each.words for each in rules) + ")")


def _mapping(rule: _Rule) -> _Rule:
    def is_mapping(given: Any) -> bool:
        is_series = hasattr(given, "to_frame") and getattr(getattr(given, "index", None), "is_unique", False)
        return isinstance(given, Mapping) or is_series

    def part(given: Any) -> tuple[str, _Rule, Any] | None:
        if not is_mapping(given):
            return None
        for name, each in given.items():
            if not isinstance(name, str):
                return "must have names, one of them", _PLAIN[str], name
            if not rule.holds(each):
                return f"of {name}", rule, each
        return None

    words = "a mapping of names" + ("" if rule is _ANYTHING else f", each to {rule.words}")
    return _Rule(lambda given: is_mapping(given) and part(given) is None, words, part)
