"""Values and gradients of losses, from their published formulas term by term: see README.md.
Needs torch, safetensors (versions: README.md):  python make.py
Computed in float64 on float32 inputs and stored as float32."""
import os

import torch
from safetensors.torch import save_file

here = os.path.dirname(os.path.abspath(__file__))
g = torch.Generator().manual_seed(77)
B, D, W = 6, 8, 5
ids = torch.tensor([3, 1, 3, 7, 1, 9])
rnd = lambda *shape: torch.randn(*shape, generator=g)
unit = lambda x: x / (x * x).sum(-1, keepdim=True).sqrt()
mean = lambda terms: sum(terms) / len(terms)
softmax = lambda z: [x.exp() / sum(y.exp() for y in z) for x in z]


def case(name, inputs, loss_of, with_ids=False):
    leaves = {k: v.double().requires_grad_() for k, v in inputs.items()}
    loss = loss_of(**leaves)
    loss.backward()
    assert torch.isfinite(loss)
    tensors = {**inputs, "loss": loss.detach().float().reshape(1), **{f"grad.{k}": v.grad.float() for k, v in leaves.items()}}
    if with_ids:
        tensors["pids"] = ids
    save_file({k: v.contiguous() for k, v in tensors.items()}, f"{here}/{name}.safetensors")
    print(name, loss.item())


def pair(near=0.0):
    image = rnd(B, D)
    return {"image": image, "text": image * near + rnd(B, D) * (1 - near)}


# TBPS-CLIP (arXiv:2308.10045), reversed image-text contrastive loss: KL(prediction || target + e), the mean of both directions.
def reversed_contrastive(image, text, logit_scale, e=0.01):
    def one_way(a, b):
        terms = []
        for i in range(B):
            p = softmax([logit_scale.exp().squeeze() * (unit(a[i]) * unit(b[j])).sum() for j in range(B)])
            right = [float(ids[j] == ids[i]) for j in range(B)]
            terms.append(sum(p[j] * (p[j].log() - torch.tensor(right[j] / sum(right) + e, dtype=torch.float64).log()) for j in range(B)))
        return mean(terms)
    return (one_way(image, text) + one_way(text, image)) / 2


scale = torch.tensor([2.6592])
case("reversed_contrastive", {**pair(), "logit_scale": scale}, reversed_contrastive, with_ids=True)
case("reversed_contrastive_near", {**pair(near=0.6), "logit_scale": scale}, reversed_contrastive, with_ids=True)


# CyCLIP (arXiv:2205.14459) as in TBPS-CLIP: means over all B x B pairs.
def cyclic(image, text, in_modal=0.25, cross_modal=0.75):
    u, v = unit(image), unit(text)
    inside = mean([((u[j] @ u[k]) - (v[j] @ v[k])) ** 2 for j in range(B) for k in range(B)])
    across = mean([((u[j] @ v[k]) - (u[k] @ v[j])) ** 2 for j in range(B) for k in range(B)])
    return in_modal * inside + cross_modal * across


case("cyclic", pair(), cyclic)


# RDE (arXiv:2308.09911), triplet alignment loss; its weights of right pairs have no gradient.
def triplet_alignment(image, text, m=0.1, tau=0.015):
    s = unit(image) @ unit(text).T
    def one_way(row, i):
        right = [j for j in range(B) if ids[j] == ids[i]]
        wrong = [j for j in range(B) if ids[j] != ids[i]]
        alpha = softmax([row[j].detach() / tau for j in right])
        value = m - sum(a * row[j] for a, j in zip(alpha, right)) + tau * sum((row[j] / tau).exp() for j in wrong).log()
        return value if value > 0 else 0 * value
    return mean([one_way(s[i, :], i) + one_way(s[:, i], i) for i in range(B)])


case("triplet_alignment", pair(), triplet_alignment, with_ids=True)
case("triplet_alignment_near", pair(near=0.4), triplet_alignment, with_ids=True)


# SimCLR (arXiv:2002.05709): NT-Xent of 2 B views behind a head of two layers.
def simclr(first, second, fc1_weight, fc1_bias, fc2_weight, fc2_bias, temperature=0.1):
    views = torch.cat([first, second])
    z = unit((views @ fc1_weight.T + fc1_bias).clamp(min=0) @ fc2_weight.T + fc2_bias)
    terms = []
    for i in range(2 * B):
        other = (i + B) % (2 * B)
        exps = {k: ((z[i] @ z[k]) / temperature).exp() for k in range(2 * B) if k != i}
        terms.append(-(exps[other] / sum(exps.values())).log())
    return mean(terms)


H, O = 7, 4
image = rnd(B, D)
case("simclr", {"first": image, "second": image + 0.6 * rnd(B, D), "fc1_weight": rnd(H, D) * 0.4, "fc1_bias": rnd(H) * 0.1,
                "fc2_weight": rnd(O, H) * 0.4, "fc2_bias": rnd(O) * 0.1}, simclr)


# Distillation of embeddings: cosine, and the mean squared error as CLIP-KD (arXiv:2307.12732) has it.
def cosine(student, teacher):
    return mean([1 - unit(student[i]) @ unit(teacher[i]) for i in range(B)])


def squares(student, teacher):
    return mean([((unit(student[i]) - unit(teacher[i])) ** 2).mean() for i in range(B)])


both = lambda measure: lambda image, text, teacher_image, teacher_text: (measure(image, teacher_image) + measure(text, teacher_text)) / 2
teacher = lambda: {"teacher_image": rnd(B, D), "teacher_text": rnd(B, D)}
case("embeddings_cosine", {**pair(), **teacher()}, both(cosine))
case("embeddings_mse", {**pair(), **teacher()}, both(squares))


def projected(image, text, teacher_image, teacher_text, image_projection, text_projection):
    return (cosine(unit(image) @ image_projection.T, teacher_image) + cosine(unit(text) @ text_projection.T, teacher_text)) / 2


case("embeddings_projected", {**pair(), "teacher_image": rnd(B, W), "teacher_text": rnd(B, W), "image_projection": rnd(W, D),
                              "text_projection": rnd(W, D)}, projected)


# Hints (FitNets, arXiv:1412.6550): a linear regressor of the student's state to the teacher's, mean squared error.
def hints(image, text, teacher_image, teacher_text, image_weight, image_bias, text_weight, text_bias):
    one = lambda h, t, weight, bias: mean([((weight @ h[i] + bias - t[i]) ** 2).mean() for i in range(B)])
    return (one(image, teacher_image, image_weight, image_bias) + one(text, teacher_text, text_weight, text_bias)) / 2


case("hidden", {**pair(), "teacher_image": rnd(B, W), "teacher_text": rnd(B, W + 1), "image_weight": rnd(W, D) * 0.3, "image_bias": rnd(W),
                "text_weight": rnd(W + 1, D) * 0.3, "text_bias": rnd(W + 1)}, hints)
