"""What is promoted is run once as the engine will: its source alone, with no name of another cell and nobody to ask."""

from typing import TYPE_CHECKING

from kernel_lib.client_platform import out_of_reach
from kernel_lib.errors import BadData, StrategyFault
from kernel_lib.strategy import load_strategy

if TYPE_CHECKING:
    from kernel_lib.passport import Passport

__all__ = ["check_runs_alone"]


def check_runs_alone(passport: "Passport") -> None:
    """Refuse a strategy whose cell or file would fail where it is to trade, while its author is still here.

    Raises
    ------
    BadData
        The source raises by itself, asks the platform for something, or gives other features than the author saw.
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
