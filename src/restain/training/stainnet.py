"""Training of a StainNet: patches of stained images against the score of their slide; the same call resumes."""

import itertools
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn import functional

from restain.data import Part, ScoredImages, ScoredPatches, make_scored, scored_batches
from restain.errors import ConfigError, TrainingError
from restain.features import StainNetCard, save_network
from restain.nn import ResNet18
from restain.pixels import planes_from_image
from restain.training.checkpoint import Training, load_checkpoint, save_checkpoint
from restain.training.curves import draw_curves
from restain.training.fit import Progress
from restain.training.folder import claim_folder
from restain.training.log import RunLog, read_log
from restain.training.stainnet_config import StainNetConfig, StainNetCourse

LOSS = "held_out.loss"
"""What the best weights are chosen by."""


@final
@dataclass(frozen=True, slots=True)
class Answers:
    """How well a classifier tells the scores of some slides.

    Args:
        loss: mean cross entropy of patches, with the weights of the classes.
        patches: share of patches whose slide's score is told.
        slides: share of slides whose score most of their patches tell; of equally many the lower score.
        chance: share of patches of the most frequent score: what one who always names it would get.
        n_patches: number of patches.
        n_slides: number of slides.
    """

    loss: float
    patches: float
    slides: float
    chance: float
    n_patches: int
    n_slides: int


def fit_stainnet(config: StainNetConfig) -> Iterator[Progress]:
    """Train, resuming from the newest checkpoint in ``config.out``, and leave a bundle in ``config.out / "bundle"``.

    The bundle holds the weights of the lowest held-out loss. Every random number depends on the seed and the patches
    seen, so a run that was killed gives the same curve as one that was not.

    Yields:
        progress, at every line of the log; the caller only has to drain it.

    Raises:
        ConfigError: the folder holds a run with another configuration, or there are several processes.
        DataError: images and scores do not fit together.
        TrainingError: the loss is not finite.
        OutputError: the disk is full or cannot be written.
    """
    course, accelerator = config.training, Accelerator()
    if accelerator.num_processes > 1:
        raise ConfigError(
            f"a StainNet trains in one process, and there are {accelerator.num_processes}",
            fix="run `restain train` without torchrun",
        )
    claim_folder(config)
    parts = make_scored(config.data)
    patches = ScoredPatches(parts["train"], course.crop, config.seed)
    weights = class_weights(parts["train"]).to(accelerator.device)
    torch.manual_seed(config.seed)
    network = ResNet18(len(patches.classes), config.network.width).to(accelerator.device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=course.rate, weight_decay=course.weight_decay)
    best = {name: value.detach().clone() for name, value in network.state_dict().items()}
    training = Training(network, best, {"network": optimiser})
    seen = load_checkpoint(config.out / "checkpoints", training)
    log = RunLog(config.out, seen=seen)
    losses = [entry[LOSS] for entry in read_log(config.out)]
    stream = scored_batches(patches, course.batch, start=seen, workers=course.workers)
    while seen < course.patches and not _exhausted(losses, course.patience):
        clock, of_steps, before = time.monotonic(), list[float](), seen
        while seen < min(before + course.check_every, course.patches):
            x, y = (tensor.to(accelerator.device) for tensor in next(stream))
            of_steps.append(_step(network, optimiser, x, y, weights, course, seen))
            seen += course.batch
        found = measure(network, parts["held_out"], patches.classes, course, weights)
        if found.loss < min(losses, default=math.inf):
            best |= {name: value.detach().clone() for name, value in network.state_dict().items()}
        losses.append(found.loss)
        values = {
            "train.loss": math.fsum(of_steps) / len(of_steps),
            LOSS: found.loss,
            "held_out.patches": found.patches,
            "held_out.slides": found.slides,
            "rate": _rate(course, before),
            "images_per_second": (seen - before) / (time.monotonic() - clock),
        }
        log.write(seen, values)
        save_checkpoint(config.out / "checkpoints", training, seen)
        yield Progress(min(seen, course.patches), course.patches, values)
    log.close()
    draw_curves(config.out)
    network.load_state_dict(best)
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()  # what is measured is what is written
    save_network(config.out / "bundle", network, _card(config, network, parts, patches.classes, weights))


def class_weights(images: ScoredImages) -> Tensor:
    """Return the weight of every score in the loss, (K,), so that all count the same: n / (K n_k) of n images."""
    counts = Counter(images.scores)
    return torch.tensor([len(images) / (len(counts) * counts[score]) for score in sorted(counts)])


def measure(
    network: ResNet18, images: ScoredImages, classes: list[int], course: StainNetCourse, weights: Tensor
) -> Answers:
    """Let the network score all tiles of images that do not overlap, and their slides by majority.

    Args:
        network: in any mode, which stays.
        images: to be scored.
        classes: the scores that it knows, in the order of its answers.
        course: for the side of tiles and the size of batches.
        weights: of the classes in the loss.
    """
    was, tiles = network.training, images.tiles(course.crop)
    answers: list[tuple[int, int, int]] = []  # of every patch: number of its image, truth, what was told
    losses: list[float] = []
    network.eval()
    while batch := list(itertools.islice(tiles, course.batch)):
        x = torch.from_numpy(np.stack([planes_from_image(tile) for _, tile in batch])).to(weights.device)
        y = torch.tensor([classes.index(images.scores[index]) for index, _ in batch], device=weights.device)
        with torch.inference_mode():
            logits = network(x.contiguous(memory_format=torch.channels_last))
        losses.append(float(functional.cross_entropy(logits, y, weights, reduction="sum")))
        of_images = [index for index, _ in batch]
        answers += zip(of_images, y.tolist(), logits.argmax(1).tolist(), strict=True)
    network.train(was)
    of_classes = Counter(truth for _, truth, _ in answers)
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    truth_of: dict[str, int] = {}
    for index, truth, told in answers:
        votes[images.slides[index]][told] += 1
        truth_of[images.slides[index]] = truth
    majority = {slide: min(counts, key=lambda k: (-counts[k], k)) for slide, counts in votes.items()}
    return Answers(
        loss=math.fsum(losses) / sum(float(weights[truth]) * count for truth, count in of_classes.items()),
        patches=sum(truth == told for _, truth, told in answers) / len(answers),
        slides=sum(majority[slide] == truth for slide, truth in truth_of.items()) / len(votes),
        chance=max(of_classes.values()) / len(answers),
        n_patches=len(answers),
        n_slides=len(votes),
    )


def _step(
    network: ResNet18,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    course: StainNetCourse,
    seen: int,
) -> float:
    with torch.autocast(x.device.type, torch.bfloat16, enabled=course.precision == "bf16"):
        logits = network(x.contiguous(memory_format=torch.channels_last))
    loss = functional.cross_entropy(logits.float(), y, weights)
    if not torch.isfinite(loss):
        raise TrainingError(
            f"the loss is not finite after {seen} patches; the last checkpoint is intact",
            fix="run again with a lower training.rate, or with training.precision=fp32",
        )
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    for group in optimiser.param_groups:
        group["lr"] = _rate(course, seen)
    optimiser.step()
    return loss.item()


def _rate(course: StainNetCourse, seen: int) -> float:
    """Return the learning rate: a cosine from its peak to zero."""
    return course.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, seen / course.patches)))


def _exhausted(losses: list[float], patience: int | None) -> bool:
    """Return whether the lowest held-out loss lies that many looks back."""
    return patience is not None and bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= patience


def _card(
    config: StainNetConfig,
    network: ResNet18,
    parts: Mapping[Part, ScoredImages],
    classes: list[int],
    weights: Tensor,
) -> StainNetCard:
    metrics: dict[str, float] = {}
    for part, images in parts.items():
        if part != "train":
            found = measure(network, images, classes, config.training, weights)
            metrics |= {f"{part} {name}": round(getattr(found, name), 4) for name in Answers.__slots__}
    return StainNetCard(
        name=config.name,
        summary=config.summary or f"ResNet-18 that has learned to tell {config.meaning}",
        mpp=config.data.mpp,
        tile=config.training.crop,
        width=config.network.width,
        scores=tuple(classes),
        meaning=config.meaning,
        training={
            "data": config.data.model_dump(mode="json"),
            "slides": len(set(parts["train"].slides)),
            "course": config.training.model_dump(mode="json"),
            "seed": config.seed,
        },
        metrics=metrics,
        licence=config.licence,
    )
