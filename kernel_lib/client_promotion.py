"""What is promoted is run once as the engine will: its source alone, with no name of another cell and nobody to ask."""

import ast
from typing import TYPE_CHECKING

from kernel_lib.client_platform import out_of_reach
from kernel_lib.errors import BadData, StrategyFault
from kernel_lib.strategy import Strategy, load_strategy
from kernel_lib.strategy.definition import RESERVED
from kernel_lib.strategy.position import Position
from kernel_lib.strategy.tuples import tuple_class

if TYPE_CHECKING:
    from kernel_lib.passport import Passport

__all__ = ["check_runs_alone"]


def check_runs_alone(passport: "Passport") -> None:
    """Refuse a strategy whose cell or file would fail where it is to trade, while its author is still here.

    Raises
    ------
    BadData
        The source raises by itself, asks the platform for something, gives other features than the author saw, or its
        decision reads a feature, a parameter or a field of the position that is not there.
    """
    with out_of_reach():
        try:
            alone = load_strategy(
                passport.source, passport.entry, filename=f"the cell or file of {passport.name}",
                params=passport.params, models=passport.models,
            )  # fmt: skip
        except StrategyFault as error:
            raise BadData(f"{passport.name} cannot be promoted: {error}") from error
    features = [f"{name} = {feature!r}" for name, feature in alone.features.items()]
    if features != passport.features:
        raise BadData(
            f"{passport.name} cannot be promoted: its cell or file must give the same features by itself, it gave "
            f"{', '.join(features)} in place of {', '.join(passport.features)}; does it read another cell's variable?"
        )
    _check_names(alone)


def _check_names(strategy: Strategy) -> None:
    # The desk would compile it, fail, run it as Python, and pause it at the first tick that reads the name.
    params = tuple(strategy.params) or ("none",)
    shown = {"X": (*strategy.features, *RESERVED), "Position": Position._fields, "Params": params}
    found = [each for each in ast.walk(ast.parse(strategy.source)) if isinstance(each, ast.FunctionDef)]
    for decide in [each for each in found if each.name == strategy.entry][-1:]:
        given = (*decide.args.posonlyargs, *decide.args.args)
        for argument, (called, fields) in zip(given, shown.items(), strict=False):
            seen = tuple_class(called, fields)(*fields)
            for line, name in _read_of(decide, argument.arg):
                try:
                    getattr(seen, name)
                except AttributeError as error:
                    where = f"line {line} of its cell or file"
                    raise BadData(f"{strategy.name} cannot be promoted: {where}: {error}") from None


def _read_of(decide: ast.FunctionDef, argument: str) -> list[tuple[int, str]]:
    """List what a function reads of an argument, by line; nothing of one that it gives another meaning."""
    inside = [each for line in decide.body for each in ast.walk(line)]
    again = {each.id for each in inside if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)}
    if argument in again | {each.arg for each in inside if isinstance(each, ast.arg)}:
        return []
    return [
        (each.lineno, each.attr)
        for each in inside
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == argument
    ]
