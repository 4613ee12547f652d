"""Networks, and what is measured and minimised with them. They know nothing of slides, stains or noise schedules."""

from restain.nn.adversarial import Objective, discriminator_loss, frozen, generator_loss
from restain.nn.blur import BINOMIAL_5, GAUSSIAN_3, blur, pyramid
from restain.nn.classifier import NoiseClassifier, NoiseClassifierConfig
from restain.nn.convolution import own_statistics
from restain.nn.encoder import Encoder
from restain.nn.footprint import Footprint, footprint
from restain.nn.image_pool import ImagePool
from restain.nn.latent import LatentConfig, LatentDecoder, LatentEncoder
from restain.nn.low_pass import LowPass, low_pass
from restain.nn.low_rank import low_rank, restored
from restain.nn.mine import Mine, MineConfig
from restain.nn.modulation import Context, Modulation, ModulationConfig, build_modulation
from restain.nn.mutual_information import (
    Bound,
    MarginalAverage,
    donsker_varadhan,
    infonce,
    jensen_shannon,
    smile,
)
from restain.nn.patch_discriminator import PatchDiscriminator, PatchDiscriminatorConfig
from restain.nn.patch_heads import PatchHeads, draw_places
from restain.nn.patch_nce import adaptive_patch_nce, feature_distance, gather_places, patch_nce
from restain.nn.resnet18 import ResNet18
from restain.nn.resnet_generator import ResNetGenerator, ResNetGeneratorConfig
from restain.nn.segmentation_losses import generalised_cross_entropy, smoothed_cross_entropy, soft_dice
from restain.nn.structure import PROXY_CHANNELS, Proxy, luma_of, structure_map
from restain.nn.unet import UNet
from restain.nn.unet_config import UNetConfig
from restain.nn.unet_generator import UNetGenerator, UNetGeneratorConfig

__all__ = [
    "BINOMIAL_5",
    "GAUSSIAN_3",
    "PROXY_CHANNELS",
    "Bound",
    "Context",
    "Encoder",
    "Footprint",
    "ImagePool",
    "LatentConfig",
    "LatentDecoder",
    "LatentEncoder",
    "LowPass",
    "MarginalAverage",
    "Mine",
    "MineConfig",
    "Modulation",
    "ModulationConfig",
    "NoiseClassifier",
    "NoiseClassifierConfig",
    "Objective",
    "PatchDiscriminator",
    "PatchDiscriminatorConfig",
    "PatchHeads",
    "Proxy",
    "ResNet18",
    "ResNetGenerator",
    "ResNetGeneratorConfig",
    "UNet",
    "UNetConfig",
    "UNetGenerator",
    "UNetGeneratorConfig",
    "adaptive_patch_nce",
    "blur",
    "build_modulation",
    "discriminator_loss",
    "donsker_varadhan",
    "draw_places",
    "feature_distance",
    "footprint",
    "frozen",
    "gather_places",
    "generalised_cross_entropy",
    "generator_loss",
    "infonce",
    "jensen_shannon",
    "low_pass",
    "low_rank",
    "luma_of",
    "own_statistics",
    "patch_nce",
    "pyramid",
    "restored",
    "smile",
    "smoothed_cross_entropy",
    "soft_dice",
    "structure_map",
]
