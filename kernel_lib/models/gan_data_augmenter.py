"""GAN: rows made up after the training rows, for a learner that has too few of its own."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.models.core import Core
from kernel_lib.models.gradient_boosting import GradientBoosting
from kernel_lib.models.learner import Learner
from kernel_lib.models.onnx_graph import Graph
from kernel_lib.models.sample import Sample
from kernel_lib.models.scaling import Scaler
from kernel_lib.models.space import Choice, Range, Space, integer, number
from kernel_lib.models.torch_training import seeded, where_it_fits

if TYPE_CHECKING:
    import torch

__all__ = ["GanDataAugmenter"]

Floats = npt.NDArray[np.float64]
_BOUND = 8.0


class GanDataAugmenter(Learner, frozen=True, kw_only=True):
    """Train another learner on real rows and on rows that a generator made after them.

    A generator and a critic play against each other (Goodfellow et al., 2014) by Wasserstein's distance with a
    penalty on the critic's gradient (Gulrajani et al., 2017), both told the direction, so that made rows come with
    theirs. In every fold the generator sees the training rows alone; calibration and scores rest on real rows. What it
    predicts and exports is the inner learner's. Whether it helps is for
    :func:`~kernel_lib.models.augmentation.judge` to say.

    Parameters
    ----------
    inner : Learner
        Any row-wise learner of directions.
    share : float
        Made rows as a share of the real ones, above 0 to 10.
    noise, hidden : int
        Numbers drawn for a row; units of each layer. 1 to 512.
    steps : int
        Of the generator, 1 to 100,000; the critic takes ``critic_steps`` for each.
    critic_steps : int
    penalty : float
        Weight of the gradient penalty.
    rate : float
        Of the Adam steps.
    batch : int
    """

    key: ClassVar[str] = "gan_data_augmenter"
    packages: ClassVar[tuple[str, ...]] = ("torch", "scikit-learn", "skl2onnx", "onnx")
    space: ClassVar[Space] = {"share": Range(0.1, 2.0, log=True), "hidden": Choice((16, 32, 64))}

    inner: Learner = GradientBoosting()
    share: float = 0.5
    noise: int = 8
    hidden: int = 32
    steps: int = 600
    critic_steps: int = 3
    penalty: float = 10.0
    rate: float = 2e-3
    batch: int = 64

    def check(self, sample: Sample) -> None:
        if "direction" not in self.inner.kinds or isinstance(self.inner, GanDataAugmenter):
            raise BadData(f"the inner learner must learn directions of rows, it was {self.inner.key}")
        if hasattr(self.inner, "window"):
            raise BadData(
                f"made rows have no order in time, so {self.inner.key} cannot learn from them; take a row-wise one"
            )
        number("share", self.share, 1e-6, 10.0)
        for name in ("noise", "hidden"):
            integer(name, getattr(self, name), 1, 512)
        integer("steps", self.steps, 1, 100_000)
        integer("critic_steps", self.critic_steps, 1, 100)
        integer("batch", self.batch, 2, 65_536)
        number("penalty", self.penalty, 0.0, 1e6)
        number("rate", self.rate, 1e-7, 1.0)
        self.inner.check(sample)

    def train(self, sample: Sample, *, seed: int, progress: bool) -> Core:
        maker = self._maker(sample, seed, progress)
        made, directions = maker.sample(max(1, round(self.share * len(sample.rows))), seed=seed)
        rows = np.concatenate([sample.inputs, made])
        outcomes = np.concatenate([sample.outcomes, directions])
        joined = _joined(sample, rows, outcomes)
        return _AugmentedCore(self.inner.train(joined, seed=seed, progress=False), maker)

    def _maker(self, sample: Sample, seed: int, progress: bool) -> "_Maker":
        scaler = Scaler.of(sample.inputs, _BOUND)
        index = np.searchsorted(sample.classes, sample.outcomes)

        def on(place: "torch.device") -> "torch.nn.Module":
            return self._trained(sample, scaler, index, place, seed=seed, progress=progress)

        make = where_it_fits(on, self.key)
        shares = np.bincount(index, minlength=len(sample.classes)) / len(index)
        return _Maker(make, scaler, sample.classes, shares, self.noise)

    def _trained(
        self, sample: Sample, scaler: Scaler, index: npt.NDArray[np.int64], place: "torch.device", *, seed: int,
        progress: bool,
    ) -> "torch.nn.Module":  # fmt: skip
        import torch

        n_classes, n_features = len(sample.classes), sample.X.shape[1]
        rows = torch.from_numpy(scaler(sample.inputs).astype(np.float32)).to(place)
        told = torch.nn.functional.one_hot(torch.from_numpy(index), n_classes).to(torch.float32).to(place)
        with seeded(seed, place) as generator:
            make = _layers(self.noise + n_classes, self.hidden, n_features).to(place)
            critic = _layers(n_features + n_classes, self.hidden, 1).to(place)
            make_steps = torch.optim.Adam(make.parameters(), lr=self.rate, betas=(0.5, 0.9))
            critic_steps = torch.optim.Adam(critic.parameters(), lr=self.rate, betas=(0.5, 0.9))

            def drawn() -> tuple[Any, Any, Any]:
                chosen = torch.randint(len(rows), (self.batch,), generator=generator).to(place)
                noise = torch.randn(self.batch, self.noise, generator=generator).to(place)
                return rows[chosen], told[chosen], make(torch.cat([noise, told[chosen]], 1))

            steps: Any = range(self.steps)
            if progress:
                from tqdm.auto import tqdm

                steps = tqdm(steps, desc=self.key, leave=False)
            for _ in steps:
                for _ in range(self.critic_steps):
                    real, kind, fake = drawn()
                    fake = fake.detach()
                    mix = torch.rand(self.batch, 1, generator=generator).to(place)
                    between = (mix * real + (1 - mix) * fake).requires_grad_()
                    said = critic(torch.cat([between, kind], 1)).sum()
                    (slope,) = torch.autograd.grad(said, between, create_graph=True)
                    distance = critic(torch.cat([fake, kind], 1)).mean() - critic(torch.cat([real, kind], 1)).mean()
                    loss = distance + self.penalty * ((slope.norm(dim=1) - 1.0) ** 2).mean()
                    critic_steps.zero_grad(set_to_none=True)
                    loss.backward()
                    critic_steps.step()
                _, kind, fake = drawn()
                loss = -critic(torch.cat([fake, kind], 1)).mean()
                make_steps.zero_grad(set_to_none=True)
                loss.backward()
                make_steps.step()
        return make.to("cpu")


class _Maker:
    """A trained generator: rows in the units of the features, directions as often as in training."""

    def __init__(
        self, make: "torch.nn.Module", scaler: Scaler, classes: tuple[int, ...], shares: Floats, noise: int
    ) -> None:
        self.make = make
        self.scaler = scaler
        self.classes = classes
        self.shares = shares
        self.noise = noise

    def sample(self, n_rows: int, *, seed: int) -> tuple[Floats, Floats]:
        import torch

        integer("n_rows", n_rows, 1, 10_000_000)
        random = np.random.default_rng(seed)
        index = random.choice(len(self.classes), n_rows, p=self.shares)
        told = np.eye(len(self.classes))[index]
        noise = random.normal(size=(n_rows, self.noise))
        given = torch.from_numpy(np.concatenate([noise, told], axis=1).astype(np.float32))
        with torch.no_grad(), seeded(0):
            scaled = np.clip(self.make(given).numpy().astype(np.float64), -_BOUND, _BOUND)
        rows = (scaled * self.scaler.deviation + self.scaler.mean).astype(np.float32).astype(np.float64)
        return rows, np.asarray(self.classes, dtype=np.float64)[index]


class _AugmentedCore:
    def __init__(self, inner: Core, maker: _Maker) -> None:
        self.inner = inner
        self.maker = maker
        self.warmup = inner.warmup
        self.states = inner.states

    def raw(self, x: Floats) -> Floats:
        return self.inner.raw(x)

    def graph(self, graph: Graph, x: str, states: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        return self.inner.graph(graph, x, states)

    def sample(self, n_rows: int, *, seed: int) -> tuple[Floats, Floats]:
        return self.maker.sample(n_rows, seed=seed)


def _layers(n_in: int, hidden: int, n_out: int) -> "torch.nn.Module":
    import torch

    return torch.nn.Sequential(
        torch.nn.Linear(n_in, hidden), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(hidden, hidden), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(hidden, n_out),
    )  # fmt: skip


def _joined(sample: Sample, rows: Floats, outcomes: Floats) -> Sample:
    """Make a sample of real and made rows, all of them to learn from."""
    numbers = np.arange(len(rows))
    return Sample(
        rows, outcomes, numbers, numbers, sample.names, sample.kind, sample.label, sample.horizon, sample.classes
    )
