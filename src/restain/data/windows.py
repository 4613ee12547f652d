"""Windows of the source's channels: which stored values become -1 and 1, by percentiles over all training images.

Cameras of 12 bits fill a sixteenth of uint16, and fluorescence often less; a network that sees the whole range sees
almost nothing move.
"""

import numpy as np

from restain.data.pairs import Pairs
from restain.errors import DataError
from restain.pixels import Window


def source_window(pairs: Pairs, percentiles: tuple[float, float]) -> Window:
    """Return the window of each channel of the sources, from all pixels of all images.

    A histogram with a bin for every value holds them: exact, and of bounded memory (0.5 MB per channel).

    Args:
        pairs: the training images, each of which is read once.
        percentiles: of the values that become -1 and 1; the p-th is the smallest that p percent of the pixels do not
            exceed.

    Raises:
        DataError: images of different types or numbers of channels.
    """
    counts = np.zeros((0, 0), np.int64)
    for index in range(len(pairs)):
        image = pairs.read(index)[0]
        shape = (image.shape[2], np.iinfo(image.dtype).max + 1)
        if not counts.size:
            counts = np.zeros(shape, np.int64)
        if counts.shape != shape:
            raise DataError(
                f"source image {pairs.name(index)} has {shape[0]} channels of {image.dtype}, others differ from it",
                fix="store all source images with the same channels and bits",
            )
        for channel, histogram in enumerate(counts):
            histogram += np.bincount(image[..., channel].ravel(), minlength=shape[1])
    cumulative = counts.cumsum(axis=1)
    least = (np.maximum(1, np.ceil(percent / 100 * cumulative[:, -1:])) for percent in percentiles)
    low, high = ((cumulative >= pixels).argmax(axis=1) for pixels in least)
    # A channel that is the same everywhere is -1 everywhere.
    return tuple((float(a), float(max(b, a + 1))) for a, b in zip(low, high, strict=True))
