"""Images that must not meet: those of training and of calibration, those of calibration and of its test."""

import warnings
from collections.abc import Mapping

from restain.bundle import Card
from restain.calibration.images import ImageSet
from restain.config import Config, parse_config
from restain.data import DataConfig, PhantomPairs, make_pairs
from restain.errors import DataError, LeakageWarning, RestainError
from restain.uncertainty import image_digest


class _Data(Config):
    """What a card says of its training images."""

    data: DataConfig


def refuse_training_images(card: Card, images: ImageSet, digests: Mapping[str, str], use: str) -> None:
    """Refuse images that the model was trained on, as far as its card tells.

    Fields of the phantom are known by the seed of their slide, others by name and pixels.

    Args:
        card: of the model.
        images: for calibration or test.
        digests: SHA-256 of each source image by its name.
        use: what the images are for.

    Raises:
        DataError: some were trained on.

    Warns:
        LeakageWarning: the training images are not at hand, so nobody can tell.
    """
    try:
        training = make_pairs(parse_config(_Data, {"data": card.training.get("data")}, "training").data, "train")
    except RestainError as error:
        warnings.warn(
            f"whether images for {use} were trained on cannot be checked, because those of the training are not at "
            f"hand ({error.problem}): make sure that they are of other patients",
            LeakageWarning,
            stacklevel=2,
        )
        return
    fields = isinstance(training, PhantomPairs) and isinstance(images.pairs, PhantomPairs)
    known = {training.name(index): index for index in range(len(training))}
    seen = [
        name
        for name in images.names
        if name in known and (fields or image_digest(training.read(known[name])[0]) == digests[name])
    ]
    if seen:
        raise DataError(
            f"{len(seen)} of {len(images)} images for {use}, {seen[0]} first, were in the training of {card.name!r}",
            fix="choose images of slides that the model has not seen",
        )


def refuse_shared(
    calibration: ImageSet, calibration_digests: Mapping[str, str], test: ImageSet, test_digests: Mapping[str, str]
) -> None:
    """Refuse a test on images of the calibration, or on the same patients or slides.

    Raises:
        DataError: they share some.
    """
    known = set(calibration_digests.values())
    if same := [name for name, digest in test_digests.items() if digest in known]:
        raise DataError(
            f"{len(same)} of {len(test)} test images are calibration images too, {same[0]} first",
            fix="test on images that took no part in the calibration",
        )
    if not calibration.groups or not test.groups:
        return
    shared = {calibration.group(name) for name in calibration.names} & {test.group(name) for name in test.names}
    if shared:
        raise DataError(
            f"{len(shared)} {test.unit}s, {min(shared)} first, are in the calibration and in its test",
            fix=f"split images by {test.unit}",
        )


def refuse_twins(digests: Mapping[str, str]) -> None:
    """Refuse an image that is there twice, which would count as two independent ones.

    Raises:
        DataError: two images have the same pixels.
    """
    first: dict[str, str] = {}
    for name, digest in digests.items():
        if digest in first:
            raise DataError(f"images {first[digest]} and {name} are the same", fix="leave one of them out")
        first[digest] = name
