"""Made images of earlier steps, so that a discriminator does not forget what it has seen.

Source: Shrivastava et al., "Learning from simulated and unsupervised images through adversarial training" (2017),
section 2.3; size and odds are those of Zhu et al. (CycleGAN, 2017).
"""

from typing import final

import torch
from torch import Tensor, nn


@final
class ImagePool(nn.Module):
    """A store of images; what it holds is part of its state, so that a training resumes exactly.

    Args:
        size: images it holds; 0 passes everything on.
    """

    images: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.images = torch.empty(0)

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return for each image, at even odds, itself, or one from the store whose place it takes.

        While the store fills, images are stored and returned. Nothing is stored in evaluation mode.

        Args:
            images: (B, C, H, W), of one size for ever.
            generator: draws.
        """
        if not self.training or not self.size:
            return images
        images = images.detach()
        draws = torch.rand(len(images), 2, generator=generator, device=images.device).tolist()
        if not len(self.images):
            self.images = images[:0]
        self.images = self.images.to(images.device)
        returned = []
        for image, (swap, place) in zip(images, draws, strict=True):
            if len(self.images) < self.size:
                self.images = torch.cat([self.images, image[None]])
                returned.append(image)
            elif swap < 1 / 2:
                at = int(place * self.size)
                returned.append(self.images[at].clone())
                self.images[at] = image
            else:
                returned.append(image)
        return torch.stack(returned)

    def get_extra_state(self) -> Tensor:
        """Return the images, for a checkpoint."""
        return self.images

    def set_extra_state(self, state: Tensor) -> None:
        """Take the images of a checkpoint."""
        self.images = state.clone()
