"""The agents' consensus as a feature of a strategy, formed whenever a bar closes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kernel_lib.declared import declared
from kernel_lib.errors import BadData

if TYPE_CHECKING:
    from kernel_lib.features.evaluated import Evaluated

__all__ = ["consensus"]


@declared
def consensus(
    tier: str = "pro",
    *,
    bars: str = "5m",
    agents: Sequence[str] = (),
    muted: Sequence[str] = (),
    symbol: str = "",
    calendar: str = "",
    news: str = "",
    holdings: str = "",
    models: Sequence[str] = (),
    horizon: int = 6,
) -> "Evaluated":
    """Let a strategy see what the agents say together whenever a bar closes; it stands until the next.

    Outputs: ``value`` (direction, -1 to 1; 0 without a quorum), ``confidence``, ``scale`` (0 under a veto), ``vetoed``
    (0 or 1) and ``n_votes`` (research agents that had an opinion); in a strategy ``x.NAME``, ``x.NAME_confidence`` and
    so on. The agents' record runs along: votes are judged ``horizon`` bars later, and the weights they earn hold from
    the next UTC day on. What is remembered is part of the step's state, so that a restart changes nothing. A return is
    the equity's change over one bar, which is what the risk agent's value at risk is then of.

    Parameters
    ----------
    tier : str
        Whose agents; ``free``, ``pro`` or ``enterprise``.
    bars : str
        Length of the bars.
    agents, muted : sequence of str
        Which agents, all of the tier's if empty; which of them are not asked.
    symbol : str
        Such as ``"EURUSD"``, for what the news and the calendar bear on.
    calendar : str
        Channel of the time of the next release, such as ``"calendar:USD"``; empty: none.
    news : str
        Channel of the news' score, from -1 to 1, such as ``"news:EURUSD"``; empty: none.
    holdings : str
        Channel of what the account's other holdings amount to in this instrument, such as ``"holdings:EURUSD"``: the
        sum of their worth as shares of the equity (short negative) times their correlation with it; empty: none.
    models : sequence of str
        Models kept under these names (``models.keep``) whose predictions are heard; a passport carries them along.
    horizon : int
        Bars after which a vote is judged.

    Raises
    ------
    Refused
        The tier does not open one of ``agents``.
    BadData
        No such agent, or an agent of no use: the panel reads nothing.
    Misconfigured
        No model is kept under a name.

    >>> consensus("free", bars="1m").outputs
    ('value', 'confidence', 'scale', 'vetoed', 'n_votes')
    """
    from kernel_lib import features as f
    from kernel_lib.agents.inputs import panel_features
    from kernel_lib.agents.orchestrator import Orchestrator
    from kernel_lib.agents.panel import OUTPUTS, Panel
    from kernel_lib.agents.regimes import READS
    from kernel_lib.features.evaluated import Evaluated

    if isinstance(models, str):
        raise BadData(f"models must be a sequence of names, as in [{models!r}], it was the text {models!r}")
    panel = Orchestrator(tier, agents=agents, muted=muted, keep=0)
    inputs: dict[str, Any] = dict(panel_features((*panel.reads, *READS, "session"), bars))
    if calendar:
        inputs["minutes_to_release"] = f.minutes_to_release(calendar, bars=bars)
    if news:
        heard = f.outside(news, bars=bars)
        inputs["news"], inputs["news_age"] = (heard, "value"), (heard, "age")
    if holdings:
        inputs["holdings"] = f.outside(holdings, bars=bars)
    labels = tuple(inputs)
    files: dict[str, bytes] = {}
    asked = []
    for name in models:
        from kernel_lib.models.predicted import predicted

        model = predicted(name, bars=bars)
        outputs = model.outputs
        direction = next((each for each in ("value", "direction") if each in outputs), outputs[0])
        if "confidence" not in outputs:
            raise BadData(f"a model must say its confidence to be heard, {name} gives {', '.join(outputs)}")
        first = len(inputs)
        for label, each in model.inputs.items():
            column = int(model.columns[list(model.inputs).index(label)])
            inputs[f"{name}.{label}"] = (each, each.outputs[column])
        where = (outputs.index(direction), outputs.index("confidence"))
        asked.append((name, model.evaluator, slice(first, len(inputs)), where))
        files.update(model.files)
    evaluator = Panel(panel, labels, symbol=symbol, models=tuple(asked), horizon=horizon)
    params: Mapping[str, Any] = {
        "tier": panel.tier, **{name: each for name, each in (
            ("agents", tuple(agents)), ("muted", tuple(muted)), ("symbol", symbol), ("calendar", calendar),
            ("news", news), ("holdings", holdings), ("models", tuple(models)),
        ) if each}, "horizon": horizon,
    }  # fmt: skip
    return Evaluated(
        "consensus", params, evaluator, inputs, outputs=OUTPUTS, bars=bars, files=files, doc=consensus.__doc__ or ""
    )
