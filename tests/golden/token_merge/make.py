"""Token merging (Bolya et al. 2022, arXiv:2210.09461), term by term: see README.md.
Needs numpy, torch, safetensors (versions: README.md):  python make.py
Computed in float64 on float32 inputs and stored as float32."""
import math, os

import numpy as np
import torch
from safetensors.torch import save_file

here = os.path.dirname(os.path.abspath(__file__))
g = torch.Generator().manual_seed(2210)
rnd = lambda *shape: torch.randn(*shape, generator=g)


def matching(keys, heads, r):
    """keys (T, heads d) of one image -> for each row that is left the tokens that go into it."""
    T = len(keys)
    k = keys.reshape(T, heads, -1).mean(1)
    k = k / np.sqrt((k * k).sum(1, keepdims=True))
    best = []
    for i in range(0, T, 2):
        products = [k[i] @ k[j] for j in range(1, T, 2)]
        ordered = sorted(products)
        assert i == 0 or len(products) == 1 or ordered[-1] - ordered[-2] > 1e-4, "a near tie"
        best.append((-math.inf if i == 0 else max(products), int(np.argmax(products))))
    ranked = sorted(range(len(best)), key=lambda i: best[i][0], reverse=True)
    assert best[ranked[r - 1]][0] - best[ranked[r]][0] > 1e-4, "a near tie"
    merged = set(ranked[:r])
    rows = [[2 * i] for i in range(len(best)) if i not in merged]
    targets = [[j] for j in range(1, T, 2)]
    for i in sorted(merged):
        targets[best[i][1]].append(2 * i)
    return rows + targets


def merge(x, keys, sizes, heads, r):
    """x (B, T, W), keys (B, T, heads d), sizes (B, T) -> rows, sizes; differentiable in x."""
    all_rows, all_sizes = [], []
    for b in range(len(x)):
        rows = matching(keys[b].detach().double().numpy(), heads, r)
        all_sizes.append(torch.stack([sum(sizes[b, t] for t in row) for row in rows]))
        all_rows.append(torch.stack([sum(sizes[b, t] * x[b, t] for t in row) / sum(sizes[b, t] for t in row) for row in rows]))
    return torch.stack(all_rows), torch.stack(all_sizes)


def case(name, B, T, W, heads, d, r):
    x, keys, upstream = rnd(B, T, W), rnd(B, T, heads * d), rnd(B, T - r, W)
    sizes = torch.randint(1, 5, (B, T), generator=g).float()
    leaf = x.double().requires_grad_()
    y, left = merge(leaf, keys, sizes.double(), heads, r)
    (y * upstream).sum().backward()
    save_file({"x": x, "keys": keys, "sizes": sizes.unsqueeze(2), "upstream": upstream, "y": y.detach().float().contiguous(),
               "merged_sizes": left.float().unsqueeze(2).contiguous(), "grad.x": leaf.grad.float().contiguous()},
              f"{here}/{name}.safetensors")


case("odd", 2, 9, 6, 2, 16, 3)
case("even", 2, 14, 5, 3, 8, 6)
case("most", 1, 33, 4, 1, 32, 16)


# A ViT with CLIP's names: 3 blocks of width 32 with 2 heads, images of 32 x 24 in patches of 8, 13 tokens.
W, H, LAYERS, NEURONS, PATCH, ROWS, COLUMNS, MERGED = 32, 2, 3, 40, 8, 4, 3, [3, 2, 0]


def vit_weights():
    w = {"embeddings.class_embedding": rnd(W) * 0.3, "embeddings.patch_embedding.weight": rnd(W, 3, PATCH, PATCH) * 0.1,
         "embeddings.position_embedding.weight": rnd(1 + ROWS * COLUMNS, W) * 0.5}
    def linear(name, out, inner):
        w[name + ".weight"], w[name + ".bias"] = rnd(out, inner) / math.sqrt(inner), rnd(out) * 0.1
    def norm(name):
        w[name + ".weight"], w[name + ".bias"] = 1 + rnd(W) * 0.1, rnd(W) * 0.1
    norm("pre_layrnorm")
    norm("post_layernorm")
    for i in range(LAYERS):
        for part in "qkv":
            linear(f"encoder.layers.{i}.self_attn.{part}_proj", W, W)
        linear(f"encoder.layers.{i}.self_attn.out_proj", W, W)
        linear(f"encoder.layers.{i}.mlp.fc1", NEURONS, W)
        linear(f"encoder.layers.{i}.mlp.fc2", W, NEURONS)
        norm(f"encoder.layers.{i}.layer_norm1")
        norm(f"encoder.layers.{i}.layer_norm2")
    return {"vision_model." + name: value for name, value in w.items()}


def vit(weights, pixels, pooling, proportional):
    w = {name.removeprefix("vision_model."): value.double() for name, value in weights.items()}
    linear = lambda name, x: x @ w[name + ".weight"].T + w[name + ".bias"]
    def norm(name, x):
        c = x - x.mean(-1, keepdim=True)
        return c / (c.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * w[name + ".weight"] + w[name + ".bias"]
    B = len(pixels)
    patches = torch.nn.functional.conv2d(pixels.double(), w["embeddings.patch_embedding.weight"], stride=PATCH).flatten(2).transpose(1, 2)
    x = torch.cat([w["embeddings.class_embedding"].expand(B, 1, W), patches], 1) + w["embeddings.position_embedding.weight"]
    x, sizes = norm("pre_layrnorm", x), torch.ones(B, 1 + ROWS * COLUMNS, dtype=torch.float64)
    for i in range(LAYERS):
        name = f"encoder.layers.{i}."
        n = norm(name + "layer_norm1", x)
        q, k, v = (linear(f"{name}self_attn.{part}_proj", n) for part in "qkv")
        apart = lambda t: t.reshape(B, -1, H, W // H).transpose(1, 2)
        scores = apart(q) @ apart(k).transpose(2, 3) / math.sqrt(W // H)
        if proportional:
            scores = scores + sizes.log()[:, None, None, :]
        mixed = (scores.softmax(-1) @ apart(v)).transpose(1, 2).reshape(B, -1, W)
        x = x + linear(name + "self_attn.out_proj", mixed)
        if MERGED[i]:
            x, sizes = merge(x, k, sizes, H, MERGED[i])
        h = linear(name + "mlp.fc1", norm(name + "layer_norm2", x))
        x = x + linear(name + "mlp.fc2", h * torch.sigmoid(1.702 * h))
    x = norm("post_layernorm", x)
    if pooling == "class":
        return x[:, 0]
    return (x * sizes.unsqueeze(2))[:, 1:].sum(1) / (ROWS * COLUMNS)


def clear_pixels(count):
    """Images in which no decision is near another."""
    found = []
    while len(found) < count:
        image = rnd(1, 3, ROWS * PATCH, COLUMNS * PATCH)
        try:
            for proportional in (True, False):
                vit(weights, image, "class", proportional)
            found.append(image)
        except AssertionError:
            pass
    return torch.cat(found)


weights = vit_weights()
pixels = clear_pixels(4)
out = {**weights, "pixels": pixels}
for pooling in ("class", "mean"):
    for proportional in (True, False):
        out[f"pooled.{pooling}.{'proportional' if proportional else 'plain'}"] = vit(weights, pixels, pooling, proportional).float().contiguous()
save_file({k: v.contiguous() for k, v in out.items()}, f"{here}/vit.safetensors")
print(torch.__version__, np.__version__)
