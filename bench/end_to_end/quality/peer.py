"""The peer of compare.py: the dual encoder of configs/train/person_small.json in plain PyTorch, as a careful user writes it: SDPA,
fused AdamW, images decoded once and kept as uint8, mirrored and normalized in one go per batch.  Starts from a checkpoint of
edgeclip, sees the batches that quality_batches wrote, and leaves its weights as such a checkpoint."""
import argparse, json, math, os, pathlib, shutil, time

arguments = argparse.ArgumentParser()
arguments.add_argument("--start", required=True, help="checkpoint: config.json, model.safetensors")
arguments.add_argument("--run", required=True, help="edgeclip's run: its run.json says the recipe")
arguments.add_argument("--batches", required=True, help="folder of quality_batches")
arguments.add_argument("--out", required=True)
arguments.add_argument("--threads", type=int, required=True)
arguments.add_argument("--precision", choices=["fp32", "bf16"], required=True, help="bf16: torch.autocast")
arguments.add_argument("--compile", action="store_true", help="torch.compile of both towers")
a = arguments.parse_args()
os.environ["OMP_NUM_THREADS"] = str(a.threads)

import numpy, torch, xxhash
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(a.threads)
start, batches, out = pathlib.Path(a.start), pathlib.Path(a.batches), pathlib.Path(a.out)
model_config = json.loads((start / "config.json").read_text())["model"]
recipe = json.loads((pathlib.Path(a.run) / "run.json").read_text())["options"]
vision, text, optimization = model_config["vision"], model_config["text"], recipe["optimizer"]
assert vision["model_type"] == "vit" and vision["pooling"] == "mean" and vision["hidden_act"] == text["hidden_act"] == "quick_gelu"
assert text["model_type"] == "clip_text" and text["pooling"] == "first_end" and optimization["schedule"] == "cosine"


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x, causal):
        q, k, v = (p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, eps = config["hidden_size"], config["layer_norm_eps"]
        self.self_attn, self.mlp = Attention(width, config["num_attention_heads"]), Mlp(width, config["intermediate_size"][0])
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)

    def forward(self, x, causal):
        x = x + self.self_attn(self.layer_norm1(x), causal)
        return x + self.mlp(self.layer_norm2(x))


class Tower(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings, self.encoder = nn.Module(), nn.Module()
        self.encoder.layers = nn.ModuleList(Block(config) for _ in range(config["num_hidden_layers"]))

    def blocks(self, x, causal):
        for block in self.encoder.layers:
            x = block(x, causal)
        return x


class Vision(Tower):
    def __init__(self, c):
        super().__init__(c)
        width, patch, e = c["hidden_size"], c["patch_size"], self.embeddings
        e.class_embedding = nn.Parameter(torch.empty(width))
        e.patch_embedding = nn.Conv2d(3, width, patch, patch, bias=False)
        e.position_embedding = nn.Embedding(c["image_height"] * c["image_width"] // patch**2 + 1, width)
        self.pre_layrnorm, self.post_layernorm = nn.LayerNorm(width, c["layer_norm_eps"]), nn.LayerNorm(width, c["layer_norm_eps"])

    def forward(self, pixels):
        e = self.embeddings
        x = e.patch_embedding(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([e.class_embedding.expand(len(x), 1, -1), x], 1) + e.position_embedding.weight
        return self.post_layernorm(self.blocks(self.pre_layrnorm(x), False)[:, 1:]).mean(1)


class Text(Tower):
    def __init__(self, c):
        super().__init__(c)
        self.embeddings.token_embedding = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.embeddings.position_embedding = nn.Embedding(c["max_position_embeddings"], c["hidden_size"])
        self.final_layer_norm = nn.LayerNorm(c["hidden_size"], c["layer_norm_eps"])
        self.end = c["eos_token_id"]

    def forward(self, tokens):
        x = self.embeddings.token_embedding(tokens) + self.embeddings.position_embedding.weight[:tokens.shape[1]]
        x = self.blocks(x, True)
        return self.final_layer_norm(x[torch.arange(len(x)), (tokens == self.end).int().argmax(1)])


class DualEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.vision_model, self.text_model = Vision(vision), Text(text)
        self.visual_projection = nn.Linear(vision["hidden_size"], model_config["projection_dim"], bias=False)
        self.text_projection = nn.Linear(text["hidden_size"], model_config["projection_dim"], bias=False)
        self.logit_scale = nn.Parameter(torch.empty(()))

    def forward(self, pixels, tokens):
        image = F.normalize(self.visual_projection(self.vision_model(pixels)).float(), dim=-1)
        words = F.normalize(self.text_projection(self.text_model(tokens)).float(), dim=-1)
        return self.logit_scale.exp() * image @ words.T


class Pixels:
    """Images of the split as uint8, decoded when they are first seen, as edgeclip's loader keeps them."""

    def __init__(self):
        self.paths = (batches / "images.txt").read_text().splitlines()
        self.kept = {}
        card = recipe["image"]
        self.size = card["width"], card["height"]
        mean, std = (numpy.array(card[key], numpy.float32) for key in ("mean", "std"))
        self.scale, self.shift = (torch.from_numpy(x).view(3, 1, 1) for x in (1 / (255 * std), -mean / std))

    def read(self, index):
        if index not in self.kept:
            with Image.open(self.paths[index]) as image:
                image = image.convert("RGB")
                if image.size != self.size:
                    image = image.resize(self.size, Image.Resampling.BILINEAR)
                self.kept[index] = torch.from_numpy(numpy.array(image))
        return self.kept[index]

    def batch(self, indices, mirrored):
        x = torch.stack([self.read(i) for i in indices])
        x = torch.where(mirrored.bool().view(-1, 1, 1, 1), x.flip(2), x)
        return x.permute(0, 3, 1, 2).float().mul_(self.scale).add_(self.shift).contiguous()


model = DualEncoder().train()
model.load_state_dict(load_file(start / "model.safetensors"))
decayed = [p for p in model.parameters() if p.ndim > 1]
others = [p for p in model.parameters() if p.ndim <= 1]
optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": optimization["weight_decay"]}, {"params": others, "weight_decay": 0.0}],
                              lr=optimization["lr"], betas=(optimization["beta1"], optimization["beta2"]), eps=optimization["eps"], fused=True)
arrays = {name: numpy.load(batches / f"{name}.npy") for name in ("images", "mirrored", "tokens", "right")}
steps = len(arrays["images"])
warm = int(optimization["warmup"] * steps + 0.5)
pixels = Pixels()
forward = torch.compile(model, dynamic=True) if a.compile else model


def rate(step):
    if step < warm:
        return optimization["lr"] * (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    low = optimization["min_lr_ratio"]
    return optimization["lr"] * (low + (1 - low) * (1 + math.cos(math.pi * done)) / 2)


def train_step(step):
    tokens = arrays["tokens"][step]
    longest = int((tokens == text["eos_token_id"]).argmax(1).max()) + 1  # as edgeclip's loader cuts: padding is no work for either
    images = pixels.batch(arrays["images"][step], torch.from_numpy(arrays["mirrored"][step]))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.precision == "bf16"):
        logits = forward(images, torch.from_numpy(tokens[:, :longest].astype(numpy.int64)))
    right = torch.from_numpy(arrays["right"][step]).float()
    target = right / right.sum(1, keepdim=True)                          # symmetric: one person in rows and columns
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if optimization["clip_norm"] > 0:
        nn.utils.clip_grad_norm_(model.parameters(), optimization["clip_norm"])
    for group in optimizer.param_groups:
        group["lr"] = rate(step)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(100))
    return loss.item()


losses, begun, seconds = [], time.perf_counter(), []
for step in range(steps):
    before = time.perf_counter()
    losses.append(train_step(step))
    seconds.append(time.perf_counter() - before)
total = time.perf_counter() - begun
out.mkdir(parents=True)
shutil.copytree(start / "tokenizer", out / "tokenizer")
card = json.loads((start / "config.json").read_text())
save_file(model.state_dict(), weights := out / "model.safetensors", metadata={"format": "pt"})
card["files"]["model.safetensors"] = {"bytes": weights.stat().st_size, "xxh3": xxhash.xxh3_128_hexdigest(weights.read_bytes())}
(out / "config.json").write_text(json.dumps(card))
print(json.dumps({"seconds": total, "images_per_s": steps * arrays["images"].shape[1] / total, "median_step_s": sorted(seconds)[steps // 2],
                  "losses": losses, "torch": torch.__version__, "isa": torch.backends.cpu.get_cpu_capability()}))
