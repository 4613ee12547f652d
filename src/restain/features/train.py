"""Train the extractor that comes with the package: ``python -m restain.features.train FOLDER``.

It takes about nine minutes of one core. The folder then holds ``card.yaml`` and ``weights.safetensors``.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from restain.features.lessons import FACTS, MPP, SIDE, STAINS, Example, Lesson, draw
from restain.features.network_files import save_network
from restain.features.phantom_network import PhantomCard, PhantomNetwork
from restain.pixels import planes_from_image

LESSONS, FIRST_SEED = 400, 50_000
"""Fields to learn from, each of a slide of its own, and the seed of the first."""

HELD_OUT, HELD_OUT_SEED, QUESTIONS = 24, 60_000, 960
"""Fields that nothing is learned from, the seed of the first, and how many pictures of them are asked about."""

BATCH, STEPS, RATE = 32, 2_400, 2e-3
"""Pictures per step, steps, and the peak of the learning rate (AdamW, warm-up of a tenth, then a cosine to zero)."""


@final
@dataclass(frozen=True)
class Progress:
    """Where training stands: steps done, and the loss of the last."""

    steps: int
    loss: float


def train(folder: Path, *, lessons: int = LESSONS, steps: int = STEPS, seed: int = 0) -> Iterator[Progress]:
    """Train the network and write it to a folder; the caller only has to drain the progress.

    Args:
        folder: for card and weights.
        lessons: how many fields to learn from.
        steps: how many batches.
        seed: of weights and batches.

    Raises:
        OutputError: the folder cannot be written.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    fields = [Lesson(FIRST_SEED + number) for number in range(lessons)]
    facts = np.stack([_drawn(fields, rng).facts for _ in range(1000)])
    network = PhantomNetwork(len(STAINS), len(FACTS))
    network.mean.copy_(torch.from_numpy(np.nanmean(facts, axis=0)))
    network.spread.copy_(torch.from_numpy(np.nanstd(facts, axis=0) + 1e-6))
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    course = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        loss = _loss(network, [_drawn(fields, rng) for _ in range(BATCH)])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        course.step()
        yield Progress(step + 1, loss.item())
    network.half().float()  # what is measured is what is written
    save_network(folder, network, _card(network, lessons, steps, seed))


def _drawn(fields: Sequence[Lesson], rng: np.random.Generator) -> Example:
    return draw(fields[int(rng.integers(len(fields)))], rng)


def _loss(network: PhantomNetwork, examples: Sequence[Example]) -> Tensor:
    """Return cross entropy of the stains plus the mean square error of the standardised facts that are known."""
    facts = (torch.from_numpy(np.stack([example.facts for example in examples])) - network.mean) / network.spread
    known = ~facts.isnan()
    with torch.autocast("cpu", torch.bfloat16):
        logits, told = network(_planes(examples))
    stains = torch.tensor([example.stain for example in examples])
    return functional.cross_entropy(logits.float(), stains) + functional.mse_loss(told.float()[known], facts[known])


def _planes(examples: Sequence[Example]) -> Tensor:
    images = torch.from_numpy(np.stack([planes_from_image(example.image) for example in examples]))
    return images.contiguous(memory_format=torch.channels_last)


def measure(network: PhantomNetwork, fields: Sequence[Lesson], questions: int, seed: int = 1) -> dict[str, float]:
    """Return the share of stains told rightly, and of every fact the share of its variance that is told (R2).

    Facts that do not vary are left out.
    """
    rng = np.random.default_rng(seed)
    network.eval()
    answers: list[tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]] = []
    for _ in range(questions // BATCH):
        examples = [_drawn(fields, rng) for _ in range(BATCH)]
        with torch.no_grad():
            logits, told = network(_planes(examples))
        right = logits.argmax(1).numpy() == [example.stain for example in examples]
        answers.append((right, (told * network.spread + network.mean).numpy(), np.stack([e.facts for e in examples])))
    right, told, facts = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    left, all_of_it = np.nanmean((told - facts) ** 2, axis=0), np.nanvar(facts, axis=0)
    shares = {name: float(1 - left[i] / all_of_it[i]) for i, name in enumerate(FACTS) if all_of_it[i] > 0}
    return {"stain": float(right.mean())} | shares


def _card(network: PhantomNetwork, lessons: int, steps: int, seed: int) -> PhantomCard:
    held_out = [Lesson(HELD_OUT_SEED + number) for number in range(HELD_OUT)]
    told = measure(network, held_out, QUESTIONS)
    return PhantomCard(
        name="phantom",
        summary="Features of tissue, learned from the synthetic tissue of restain.phantom; they see colour.",
        mpp=MPP.mean,
        tile=SIDE,
        stains=STAINS,
        facts=FACTS,
        training={"lessons": lessons, "first_seed": FIRST_SEED, "images": steps * BATCH, "rate": RATE, "seed": seed},
        metrics={name: round(value, 4) for name, value in told.items()},
        licence="Apache-2.0",
    )


if __name__ == "__main__":
    for progress in train(Path(sys.argv[1])):
        if progress.steps % 50 == 0:
            print(f"{progress.steps} of {STEPS}: loss {progress.loss:.3f}", flush=True)
