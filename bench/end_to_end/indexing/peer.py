"""The peer's side of compare.py: Hugging Face's CLIP on the CPU.

    peer.py make DIR          ViT-B/32 with seeded random weights, as safetensors
    peer.py index DIR LIST COUNT BATCH THREADS   images/s of COUNT images of LIST, as on the model card: opened by Pillow, preprocessed by the
                              model's own image processor, encoded (one by one: BATCH 1), normalized
"""
import json, sys, time

import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

if sys.argv[1] == "make":
    torch.manual_seed(1)
    CLIPModel(CLIPConfig()).save_pretrained(sys.argv[2])
    CLIPImageProcessor().save_pretrained(sys.argv[2])
    raise SystemExit
directory, listed, count, batch, threads = sys.argv[2], sys.argv[3], *map(int, sys.argv[4:7])
torch.set_num_threads(threads)
model = CLIPModel.from_pretrained(directory).eval()
processor = CLIPImageProcessor.from_pretrained(directory)
paths = open(listed).read().split("\n")[:count]


def encode(some):
    with torch.no_grad():
        pixels = processor(images=[Image.open(path) for path in some], return_tensors="pt")
        rows = model.get_image_features(**pixels)
        rows = getattr(rows, "pooler_output", rows)
        return rows / rows.norm(dim=-1, keepdim=True)


encode(paths[:batch])
start = time.perf_counter()
for first in range(0, len(paths), batch):
    last = encode(paths[first:first + batch])
print(json.dumps({"images_per_s": len(paths) / (time.perf_counter() - start), "row": last[-1].tolist()}))
