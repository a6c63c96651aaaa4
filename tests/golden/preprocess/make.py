"""Pillow's resize with every filter, its EXIF orientations, and its draft mode's absence: small pictures of noise and edges.
Needs Pillow and numpy:  python make.py   (made with Pillow 12.x; the arithmetic is the same since 4.x)"""
import os
import numpy as np
from PIL import Image, ImageOps

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(4)
noise = rng.integers(0, 256, (53, 37, 3), dtype=np.uint8)
noise[10:30, 5:20] = 255                      # edges, so that overshoot is clipped
noise[20:40, 15:30] = 0
np.save(f"{here}/source.npy", noise)
picture = Image.fromarray(noise)
for name in ("nearest", "box", "bilinear", "bicubic", "lanczos"):
    for width, height in ((16, 23), (37, 11), (80, 60), (1, 1), (36, 54)):
        resized = picture.resize((width, height), getattr(Image.Resampling, name.upper()))
        np.save(f"{here}/{name}_{width}x{height}.npy", np.asarray(resized))
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind, options in (("jpg", {"quality": 95, "subsampling": 0}), ("png", {})):
        file = f"{here}/orientation_{orientation}.{kind}"
        Image.fromarray(noise[:24, :16]).save(file, exif=exif.tobytes(), **options)
        np.save(file + ".npy", np.asarray(ImageOps.exif_transpose(Image.open(file)).convert("RGB")))
