"""The peer of edgeclip_model_bench: CLIP ViT-B/32 of Hugging Face with PEFT's LoRA (r 16, alpha 16, q/k/v/out of both towers).
Random weights of a fixed seed, nothing is downloaded. compare.py drives it and says what the lines mean."""
import argparse, json, os, platform, sys, time

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)                                 # what libraries print goes to stderr: stdout has the protocol alone
arguments = argparse.ArgumentParser()
arguments.add_argument("--threads", type=int, required=True)
arguments.add_argument("--batch", type=int, default=32)
arguments.add_argument("--tokens", type=int, default=77)
arguments.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="bf16: torch.autocast over float32 weights")
arguments.add_argument("--attention", default="sdpa", help="attn_implementation of transformers: sdpa, eager, ...")
a = arguments.parse_args()
os.environ.update(OMP_NUM_THREADS=str(a.threads), HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import peft, torch, transformers
from torch.nn.functional import cross_entropy
from transformers import CLIPConfig, CLIPModel

torch.set_num_threads(a.threads)
torch.manual_seed(0)
config = CLIPConfig()                         # transformers' defaults are those of openai/clip-vit-base-patch32
vision, text = config.vision_config, config.text_config
assert (vision.hidden_size, vision.num_hidden_layers, vision.patch_size, vision.image_size) == (768, 12, 32, 224)
assert (text.hidden_size, text.num_hidden_layers, text.vocab_size, text.max_position_embeddings) == (512, 12, 49408, 77)
assert 2 <= a.tokens <= text.max_position_embeddings and config.projection_dim == 512
config._attn_implementation = a.attention
model = peft.get_peft_model(CLIPModel(config), peft.LoraConfig(r=16, lora_alpha=16, lora_dropout=0.0,
                                                               target_modules=["q_proj", "k_proj", "v_proj", "out_proj"])).train()
assert all(tower.config._attn_implementation == a.attention for tower in (model.vision_model, model.text_model))
adapter = [p for p in model.parameters() if p.requires_grad]
with torch.no_grad():                         # as after some training: B is no longer zero
    for name, p in model.named_parameters():
        if "lora_B" in name:
            p.normal_(std=0.01)
pixels = torch.randn(a.batch, 3, vision.image_size, vision.image_size)
ids = torch.randint(1, 49406, (a.batch, a.tokens))
ids[:, 0], ids[:, -1] = 49406, 49407          # start and end of text: no padding, so no mask but the causal one


def logits():
    """Features of both towers, unit rows, scaled similarities (images x texts)."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.precision == "bf16"):
        return model(input_ids=ids, pixel_values=pixels).logits_per_image


def forward():
    with torch.no_grad():
        logits()


def step():
    """Forward, symmetric cross-entropy, backward to the adapter; no optimizer."""
    for p in adapter:
        p.grad = None
    z = logits().float()
    labels = torch.arange(a.batch)
    ((cross_entropy(z, labels) + cross_entropy(z.T, labels)) / 2).backward()


def answer(**values):
    print(json.dumps(values), file=answers, flush=True)


answer(ready=True, trainable=sum(p.numel() for p in adapter),
       versions={"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__,
                 "python": platform.python_version(), "attention": a.attention})
for line in sys.stdin:
    command = line.strip()
    if command == "quit":
        break
    run = {"forward": forward, "step": step}.get(command)
    if run is None:
        sys.exit(f"peer.py: no command '{command}': forward, step or quit")
    start = time.perf_counter()
    run()
    answer(seconds=time.perf_counter() - start)
