"""Colour changes of torchvision on Pillow images: every 17th value of each channel, plus noise, as one picture of 64 x 72.
Needs torchvision, Pillow and numpy:  python make.py"""
import os
import numpy as np
from PIL import Image
from torchvision.transforms import functional

here = os.path.dirname(os.path.abspath(__file__))
cube = np.stack(np.meshgrid(*[np.arange(0, 256, 17)] * 3), axis=-1).reshape(64, 64, 3).astype(np.uint8)
noise = np.random.default_rng(4).integers(0, 256, (8, 64, 3), dtype=np.uint8)
source = np.concatenate([cube, noise])
np.save(f"{here}/source.npy", source)
picture = Image.fromarray(source)
for name in ("brightness", "contrast", "saturation"):
    for factor in (0.0, 0.37, 1.0, 1.8):
        np.save(f"{here}/{name}_{factor}.npy", np.asarray(getattr(functional, f"adjust_{name}")(picture, factor)))
for turn in (-0.5, -0.13, 0.0, 0.004, 0.25):
    np.save(f"{here}/hue_{turn}.npy", np.asarray(functional.adjust_hue(picture, turn)))
np.save(f"{here}/greyscale.npy", np.asarray(functional.to_grayscale(picture, 3)))
