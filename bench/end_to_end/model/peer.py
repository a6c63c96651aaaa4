"""The peer of edgeclip_model_bench: CLIP ViT-B/32 of Hugging Face, with PEFT's LoRA (r 16, alpha 16, q/k/v/out of both towers)
or with every weight training.  Random weights of a fixed seed, nothing is downloaded. compare.py drives it and says what the
lines mean."""
import argparse, json, os, platform, sys, time

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)                                 # what libraries print goes to stderr: stdout has the protocol alone
arguments = argparse.ArgumentParser()
arguments.add_argument("--threads", type=int, required=True)
arguments.add_argument("--lengths", required=True, help="tokens of each caption, with commas: the batch")
arguments.add_argument("--pad-to", type=int, default=77)
arguments.add_argument("--mode", choices=["lora", "full"], default="lora")
arguments.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="bf16: torch.autocast over float32 weights")
arguments.add_argument("--attention", default="sdpa", help="attn_implementation of transformers: sdpa, eager, ...")
a = arguments.parse_args()
lengths = [int(n) for n in a.lengths.split(",")]
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
assert 2 <= min(lengths) and max(lengths) <= a.pad_to <= text.max_position_embeddings and config.projection_dim == 512
config._attn_implementation = a.attention
model = CLIPModel(config).train()
if a.mode == "lora":
    model = peft.get_peft_model(model, peft.LoraConfig(r=16, lora_alpha=16, lora_dropout=0.0,
                                                       target_modules=["q_proj", "k_proj", "v_proj", "out_proj"])).train()
assert all(tower.config._attn_implementation == a.attention for tower in (model.vision_model, model.text_model))
trained = [p for p in model.parameters() if p.requires_grad]
with torch.no_grad():                         # as after some training: B is no longer zero
    for name, p in model.named_parameters():
        if "lora_B" in name:
            p.normal_(std=0.01)
optimizer = torch.optim.AdamW(trained, lr=1e-5, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1, fused=True)
batch = len(lengths)
pixels = torch.randn(batch, 3, vision.image_size, vision.image_size)
ids = torch.randint(1, 49406, (batch, a.pad_to))
mask = torch.zeros_like(ids)
for row, n in enumerate(lengths):             # as CLIP's tokenizer: start, text, end, and ends as padding
    ids[row, 0], ids[row, n - 1:], mask[row, :n] = 49406, 49407, 1
inputs = {"input_ids": ids, "pixel_values": pixels}
if min(lengths) < a.pad_to:                   # without padding there is no mask but the causal one
    inputs["attention_mask"] = mask


def logits():
    """Features of both towers, unit rows, scaled similarities (images x texts)."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.precision == "bf16"):
        return model(**inputs).logits_per_image


def forward():
    with torch.no_grad():
        logits()


def step():
    """Forward, symmetric cross-entropy, backward to what trains, AdamW."""
    z = logits().float()
    labels = torch.arange(batch)
    ((cross_entropy(z, labels) + cross_entropy(z.T, labels)) / 2).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def answer(**values):
    print(json.dumps(values), file=answers, flush=True)


answer(ready=True, trainable=sum(p.numel() for p in trained),
       versions={"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__,
                 "python": platform.python_version(), "attention": a.attention, "isa": torch.backends.cpu.get_cpu_capability()})
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
