"""The training loop: players take turns, progress is counted in images, and the same call resumes."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn, optim

from restain.bundle import save_bundle
from restain.data import Crops, batches
from restain.errors import TrainingError
from restain.methods import Batch, Method
from restain.training.average import WeightAverage
from restain.training.checkpoint import Training, load_checkpoint, save_checkpoint
from restain.training.config import Course, TrainConfig
from restain.training.curves import draw_curves
from restain.training.folder import claim_folder
from restain.training.images import training_pairs, windowed
from restain.training.log import RunLog
from restain.training.preview import MEASURED, held_out_batch, held_out_values, save_samples
from restain.training.run import new_method, write_card


@final
@dataclass(frozen=True)
class Progress:
    """Where training stands, yielded whenever a line goes to the log.

    Attributes:
        images: images seen.
        total: images in the whole training.
        values: what was logged: losses by name, rate, images per second.
    """

    images: int
    total: int
    values: dict[str, float]


def fit(config: TrainConfig) -> Iterator[Progress]:
    """Train, resuming from the newest checkpoint in ``config.out``, and leave a bundle in ``config.out / "bundle"``.

    Every random number depends on the seed, the process and the images seen, so a run that was killed gives the same
    losses as one that was not. Several processes (``torchrun``) share each step; their gradients are averaged.

    Yields:
        progress, at every line of the log; the caller only has to drain it.

    Raises:
        ConfigError: the folder holds a run with another configuration, or the crop does not fit the network.
        DataError: the pairs do not fit together or do not fit the stains named.
        TrainingError: the loss is not finite.
        OutputError: the disk is full or cannot be written.
    """
    course = config.training
    accelerator = Accelerator()
    if accelerator.is_main_process:
        claim_folder(config)
    accelerator.wait_for_everyone()

    method = new_method(config).to(accelerator.device)
    train, held_out = training_pairs(config, paired=method.paired)
    source = windowed(config, train)
    average = WeightAverage(method, course.average)
    optimisers: dict[str, optim.Optimizer] = {
        player: optim.AdamW(parameters, lr=course.rate, betas=course.betas, weight_decay=course.weight_decay)
        for player, parameters in method.players().items()
    }
    training = Training(method, average.state, optimisers)
    seen = load_checkpoint(config.out / "checkpoints", training)
    log = RunLog(config.out, seen=seen) if accelerator.is_main_process else None
    watched = Crops(held_out, course.crop, config.seed, source.window)
    shown = held_out_batch(watched).to(accelerator.device)
    measured = held_out_batch(watched, MEASURED)

    step_images = course.batch * accelerator.num_processes
    stream = batches(
        Crops(train, course.crop, config.seed, source.window),
        course.batch,
        start=seen,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
        workers=course.workers,
    )
    seen_losses: dict[str, list[float]] = {}
    steps, clock = 0, time.monotonic()
    while seen < course.images:
        losses = _step(accelerator, config, method, optimisers, next(stream), seen)
        for name, value in losses.items():  # not every step has every loss
            seen_losses.setdefault(name, []).append(value)
        before, seen, steps = seen, seen + step_images, steps + 1
        average.update(method, seen=seen, batch=step_images)

        last = seen >= course.images
        if last or _crossed(course.log_every, before, seen):
            values = {name: math.fsum(of_step) / len(of_step) for name, of_step in seen_losses.items()}
            values["rate"] = _rate(course, before)
            values["images_per_second"] = steps * step_images / (time.monotonic() - clock)
            if log and (last or _crossed(course.picture_every, before, seen)):
                with average.applied_to(method), _autocast(accelerator, course):
                    method.calibrate(measured.to(accelerator.device), _generator(accelerator.device, config.seed))
                    values |= held_out_values(method, shown, lambda: _generator(accelerator.device, config.seed))
                    save_samples(config.out / "samples" / f"{seen:012d}.png", method, shown, config)
            if log:
                log.write(seen, values)
            seen_losses, steps, clock = {}, 0, time.monotonic()
            yield Progress(min(seen, course.images), course.images, values)
        if log and (last or _crossed(course.checkpoint_every, before, seen)):
            save_checkpoint(config.out / "checkpoints", training, seen)

    if log:
        log.close()
        if course.images:
            draw_curves(config.out)
        with average.applied_to(method), _autocast(accelerator, course):
            method.calibrate(measured.to(accelerator.device), _generator(accelerator.device, config.seed))
            save_bundle(config.out / "bundle", write_card(config, source, seen), method)
    accelerator.end_training()


def _step(
    accelerator: Accelerator,
    config: TrainConfig,
    method: Method,
    optimisers: dict[str, optim.Optimizer],
    batch: Batch,
    seen: int,
) -> dict[str, float]:
    """Let every player take its turn, with gradients averaged over processes; return the losses by name."""
    batch = batch.to(accelerator.device)
    values: dict[str, float] = {}
    for turn, (player, parameters) in enumerate(method.players().items()):
        generator = _generator(accelerator.device, config.seed, accelerator.process_index, seen, turn)
        with _autocast(accelerator, config.training):
            losses = method.losses(player, batch, generator)
        loss = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is not finite after {seen} images; the last checkpoint is intact",
                fix="run again with a lower training.rate, or with training.precision=fp32",
            )
        optimiser = optimisers[player]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if accelerator.num_processes > 1:
            _share_gradients(accelerator, parameters)
        if config.training.clip is not None:
            nn.utils.clip_grad_norm_(parameters, config.training.clip)
        for group in optimiser.param_groups:
            group["lr"] = _rate(config.training, seen)
        optimiser.step()
        values |= {f"{player}.{name}": value.item() for name, value in losses.items()}
    return values


def _share_gradients(accelerator: Accelerator, parameters: list[nn.Parameter]) -> None:
    """Average gradients over processes in one reduction; a parameter that no process has used keeps none."""
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    used = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=parameters[0].device)
    flat: Tensor = accelerator.reduce(torch.cat([*(g.flatten() for g in gradients), used]), reduction="mean")
    sizes = [p.numel() for p in parameters]
    *shared, used = torch.split(flat, [*sizes, len(parameters)])
    for parameter, part, share in zip(parameters, shared, used.tolist(), strict=True):
        parameter.grad = part.view_as(parameter) if share else None


def _autocast(accelerator: Accelerator, course: Course) -> torch.autocast:
    return torch.autocast(accelerator.device.type, torch.bfloat16, enabled=course.precision == "bf16")


def _rate(course: Course, seen: int) -> float:
    """Return the learning rate: linear warm-up, then as ``Course.decay`` says."""
    warm = min(1.0, (seen + 1) / max(1, course.warm_up))
    done = min(1.0, seen / course.images)
    fall = {"constant": 1.0, "cosine": 0.5 * (1 + math.cos(math.pi * done)), "late_linear": min(1.0, 2 * (1 - done))}
    return course.rate * warm * fall[course.decay]


def _generator(device: torch.device, *key: int) -> torch.Generator:
    """Return a generator that depends on the key alone; layers with randomness of their own (dropout) follow it too."""
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
    torch.manual_seed(seed)
    return torch.Generator(device).manual_seed(seed)


def _crossed(interval: int, before: int, now: int) -> bool:
    return before // interval != now // interval
