"""The Frechet distance of two sets of features, each seen as a Gaussian; with features of Inception it is called FID.

    FID = |mu_1 - mu_2|^2 + tr(C_1) + tr(C_2) - 2 tr((C_1 C_2)^(1/2))

Sources: Dowson and Landau, The Frechet distance between multivariate normal distributions, 1982, equation 4; Heusel et
al., GANs trained by a two time-scale update rule converge to a local Nash equilibrium, 2017, equation 6. Covariances
have n - 1 in the denominator.

The trace of the root is computed without a root. With factors C = A^T A, the eigenvalues of C_1 C_2 are the squared
singular values of A_1 A_2^T, so the trace is the sum of these singular values. They are real whatever rounding does, so
no imaginary part can arise and none is dropped, and matrices of any rank will do: fewer images than features is no
special case. Nor is anything added to the diagonal, as elsewhere.

The number is biased upwards by the number of images. Two sets of n images from one Gaussian are not at 0 but, for a
covariance of one in d directions and n >> d, at d (d + 5) / (2 n): d (d + 1) / (2 n) from the covariances, 2 d / n from
the means. So compare only what was measured with the same number of images, and beside its floor.
"""

from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from restain.errors import DataError
from restain.metrics.features import as_features, as_sets

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@final
class FeatureMoments:
    """Mean and covariance of features that come batch by batch and are not kept: for many images.

    >>> import numpy as np
    >>> moments = FeatureMoments(2)
    >>> for batch in np.array([[[0.0, 1.0]], [[2.0, 5.0]]]):
    ...     moments.add(batch)
    >>> moments.mean, moments.covariance
    (array([1., 3.]), array([[2., 4.],
           [4., 8.]]))
    """

    def __init__(self, d: int) -> None:
        self.n = 0
        self.mean: Vector = np.zeros(d)
        self._scatter: Matrix = np.zeros((d, d))

    @classmethod
    def of(cls, features: NDArray[Any]) -> Self:
        """Return the moments of features (n, d) at hand."""
        moments = cls(features.shape[-1])
        moments.add(features)
        return moments

    def add(self, features: NDArray[Any]) -> None:
        """Enter a batch; batches may be of any size, and their order and cut change only the last digits.

        Args:
            features: (n, d).

        Raises:
            DataError: another shape, no images, or numbers that are not finite.
        """
        batch = as_features(features, least=1)
        if batch.shape[1] != len(self.mean):
            raise DataError(
                f"features of {batch.shape[1]} numbers cannot join others of {len(self.mean)}",
                fix="compute all with the same network",
            )
        mean, n = batch.mean(axis=0), self.n + len(batch)
        # Chan, Golub and LeVeque 1979: the scatters of both parts about their own means, and that of the two means.
        step = np.sqrt(self.n * len(batch) / n) * (mean - self.mean)
        rows = np.concatenate([batch - mean, step[None]])
        self._scatter += rows.T @ rows
        self.mean = self.mean + (mean - self.mean) * len(batch) / n
        self.n = n

    @property
    def covariance(self) -> Matrix:
        """Return the covariance (d, d), with n - 1 in the denominator.

        Raises:
            DataError: fewer than two images.
        """
        if self.n < 2:
            raise DataError(f"{self.n} images have no covariance", fix="add at least two")
        return self._scatter / (self.n - 1)

    def frechet_distance(self, other: "FeatureMoments") -> float:
        """Return the Frechet distance to other moments, in squared units of the features.

        Raises:
            DataError: fewer than two images, or features of different length.
        """
        if len(self.mean) != len(other.mean):
            raise DataError(
                f"features of {len(self.mean)} numbers cannot be compared with features of {len(other.mean)}",
                fix="compute both with the same network",
            )
        return _distance(self.mean, _root(self.covariance), other.mean, _root(other.covariance))


def frechet_distance(pred: NDArray[Any], target: NDArray[Any]) -> float:
    """Return the Frechet distance of two sets of features.

    Args:
        pred: (n, d) features of the images to judge.
        target: (m, d) features of real images; n and m may differ, and may be smaller than d.

    Returns:
        At least 0; 0 for equal moments. Symmetric. In squared units of the features.

    Raises:
        DataError: features that are not (n, d) or not finite, fewer than two images, or different d.
    """
    x, y = as_sets(pred, target)
    ones = np.ones(len(x), np.int64), np.ones(len(y), np.int64)
    return resampled_distance(x, y, *ones)


def resampled_distance(x: Matrix, y: Matrix, counts_x: NDArray[Any], counts_y: NDArray[Any]) -> float:
    """Return the distance where images occur several times or not at all.

    Args:
        x: (n, d) features.
        y: (m, d) features.
        counts_x: (n,) how often each image occurs.
        counts_y: (m,) the same.
    """
    return _distance(*_mean_and_factor(x, counts_x), *_mean_and_factor(y, counts_y))


def _mean_and_factor(x: Matrix, counts: NDArray[Any]) -> tuple[Vector, Matrix]:
    """Return the mean and a matrix A of at most d rows with A^T A the covariance."""
    kept, times = x[counts > 0], counts[counts > 0]
    mean: Vector = times @ kept / times.sum()
    factor: Matrix = np.sqrt(times / (times.sum() - 1))[:, None] * (kept - mean)
    if len(factor) > factor.shape[1]:
        triangle = linalg.qr(factor, mode="r", overwrite_a=True, check_finite=False)[0]
        factor = triangle[: factor.shape[1]]  # R^T R = A^T A
    return mean, factor


def _root(covariance: Matrix) -> Matrix:
    """Return a matrix A of full rank with A^T A the covariance."""
    values, vectors = linalg.eigh(covariance)
    rounding = len(values) * np.finfo(np.float64).eps * abs(values).max()
    if values[0] < -rounding:
        raise DataError(f"a covariance has the negative eigenvalue {values[0]:.3g}", fix="look at the features")
    # Directions without spread: their eigenvalue is rounding, and its root would be no longer small.
    spread = values > rounding
    root: Matrix = np.sqrt(values[spread])[:, None] * vectors[:, spread].T
    return root


def _distance(mean_x: Vector, factor_x: Matrix, mean_y: Vector, factor_y: Matrix) -> float:
    shift = mean_x - mean_y
    cross = factor_x @ factor_y.T
    trace_of_root = linalg.svdvals(cross, overwrite_a=True).sum() if cross.size else 0.0
    # FID = |mu_1 - mu_2|^2 + tr(C_1) + tr(C_2) - 2 tr((C_1 C_2)^(1/2))
    distance = shift @ shift + (factor_x**2).sum() + (factor_y**2).sum() - 2 * trace_of_root
    return max(0.0, float(distance))  # equal sets may end a rounding error below 0
