"""Train a network with PyTorch so that the same seed gives the same network, on a GPU where there is one.

Weights and the order of batches are drawn on the CPU, and no dropout is used, so that a GPU starts from the same
numbers and differs by rounding alone. Training stops early on the newest part of the rows, purged of outcomes that
were open when it began.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.models.sample import Sample

if TYPE_CHECKING:
    import torch

__all__ = ["Effort", "device", "hold_out_newest", "optimise", "seeded"]


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How long to train: ``epochs`` at most, ``patience`` of them without a better loss, ``rate`` of the steps."""

    epochs: int
    patience: int
    rate: float
    batch: int
    decay: float = 1e-3


def device() -> "torch.device":
    """Give the GPU where PyTorch sees one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextlib.contextmanager
def seeded(seed: int) -> "Iterator[torch.Generator]":
    """Draw from ``seed`` inside, and leave the caller's random numbers and threads as they were.

    One thread: sums are then added in one order on every machine, and networks of this size are no slower.
    """
    import torch

    n_threads = torch.get_num_threads()
    with (
        torch.random.fork_rng(devices=[]),
        torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
    ):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_num_threads(n_threads)


def hold_out_newest(sample: Sample, share: float = 0.15) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split the rows to learn from into older ones, purged, and the newest; the newest are empty where rows are few."""
    rows = sample.rows
    n_newest = int(len(rows) * share)
    if n_newest < 10:
        return rows, rows[:0]
    newest = rows[-n_newest:]
    older = rows[:-n_newest]
    return older[sample.ends[older] < newest[0]], newest


def optimise(
    network: "torch.nn.Module",
    loss_of: Callable[["torch.Tensor"], "torch.Tensor"],
    items: npt.NDArray[np.int64],
    held_out: npt.NDArray[np.int64],
    effort: Effort,
    generator: "torch.Generator",
    *,
    progress: bool,
    title: str,
) -> float:
    """Minimise a loss over numbered items and keep the weights that were best on those held out.

    Parameters
    ----------
    network : torch.nn.Module
    loss_of : callable
        Numbers of items -> mean loss.
    items, held_out : ndarray of int
        To train on; to stop by. Without the latter it stops by the training loss.
    effort : Effort
    generator : torch.Generator
        Draws the order.
    progress : bool
    title : str
        Of the bar.

    Returns
    -------
    float
        The best loss.
    """
    import torch

    optimiser = torch.optim.AdamW(network.parameters(), lr=effort.rate, weight_decay=effort.decay)
    best, best_weights, waited = np.inf, _weights(network), 0
    epochs: Any = range(effort.epochs)
    if progress:
        from tqdm.auto import tqdm

        epochs = tqdm(epochs, desc=title, leave=False)
    for _ in epochs:
        network.train()
        order = torch.from_numpy(items)[torch.randperm(len(items), generator=generator)]
        total = 0.0
        for batch in torch.split(order, effort.batch):
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            total += float(loss.detach()) * len(batch)
        score = total / len(items)
        if len(held_out):
            network.eval()
            with torch.no_grad():
                parts = torch.split(torch.from_numpy(held_out), 4 * effort.batch)
                score = sum(float(loss_of(part)) * len(part) for part in parts) / len(held_out)
        if score < best - 1e-5:
            best, best_weights, waited = score, _weights(network), 0
        else:
            waited += 1
            if waited >= effort.patience:
                break
    network.load_state_dict(best_weights)
    network.eval()
    return float(best)


def _weights(network: "torch.nn.Module") -> dict[str, "torch.Tensor"]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
