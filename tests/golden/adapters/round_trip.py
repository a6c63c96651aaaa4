"""Adapters trained here go on in PEFT, and the other way round, LoRA and DoRA, with what trains beside them:
  PATH=build/release/bin:$PATH python tests/golden/adapters/round_trip.py [FOLDER]
Needs edgeclip, torch, transformers and peft. A tiny CLIP is trained on drawn people and exported for transformers; then for each kind
of adapter, with the largest difference of unit embeddings between both programs after each step:
  ours   trained by edgeclip, read by PEFT          merged  the same, merged by both
  peft   trained on by PEFT, read by edgeclip       back    trained on by edgeclip (lora_mode continue), read by PEFT
and how far each training moved the embeddings. Exit 1 if a difference is above 1e-5 or nothing moved."""
import json, os, shutil, string, subprocess, sys, tempfile

os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="2")
import numpy as np
import torch
from peft import PeftModel
from transformers import CLIPModel

work = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="edgeclip-adapters-")
os.makedirs(work, exist_ok=True)
at = lambda *names: os.path.join(work, *names)
LIMIT = 1e-5


def edgeclip(*arguments):
    subprocess.run(["edgeclip", *arguments, "--quiet", "--threads", "2"], check=True, stdout=subprocess.DEVNULL)


def train(out, *settings, steps=12, adapter=None, init="base/final"):
    shutil.rmtree(at(out), ignore_errors=True)
    edgeclip("train", "--data", at("data"), "--out", at(out), *(["--init", at(init)] if init else []),
             *(["--adapter", adapter] if adapter else []), *(word for s in (f"steps={steps}", "batch=16", "precision=fp32",
             "seed=1", "optimizer.lr=0.002", *settings) for word in ("--set", s)))


# A vocabulary whose ids transformers reads as we do: the end of text is no 2, and its first occurrence counts.
pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *string.ascii_lowercase, *("##" + c for c in string.ascii_lowercase), ".", ",", "-"]
open(at("vocab.txt"), "w").write("\n".join(pieces) + "\n")
model = {"vision": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": [64], "image_height": 32,
                    "image_width": 32, "patch_size": 8},
         "text": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": [64],
                  "max_position_embeddings": 48}, "projection_dim": 16}
for folder in ("data", "hf"):
    shutil.rmtree(at(folder), ignore_errors=True)
edgeclip("synthesize", "--out", at("data"), "--people", "24", "--seed", "1", "--context-length", "48", "--tokenizer", f"bert:{at('vocab.txt')}")
train("base", f"model={json.dumps(model)}", steps=20, init=None)
edgeclip("export", "--checkpoint", at("base/final"), "--out", at("hf"), "--format", "hf")

generator = np.random.default_rng(5)
pixels = generator.standard_normal((8, 3, 32, 32)).astype(np.float32)
ids = np.zeros((8, 48), np.int64)
for row, length in zip(ids, generator.integers(4, 46, 8)):
    row[0], row[1:length], row[length] = 2, generator.integers(4, len(pieces), length - 1), 3
np.save(at("pixels.npy"), pixels)
np.save(at("ids.npy"), ids)


def ours(checkpoint, adapter=None):
    shutil.rmtree(at("encoded"), ignore_errors=True)
    edgeclip("encode", "--checkpoint", at(checkpoint), *(["--adapter", adapter] if adapter else []), "--pixels", at("pixels.npy"),
             "--tokens", at("ids.npy"), "--out", at("encoded"))
    return np.concatenate([np.load(at("encoded", f"{kind}.npy")) for kind in ("image", "text")])


def outputs(theirs):
    return theirs(pixel_values=torch.from_numpy(pixels), input_ids=torch.from_numpy(ids))


def unit(theirs):
    with torch.no_grad():
        o = outputs(theirs.eval())
    return torch.cat([o.image_embeds, o.text_embeds]).numpy()


def peft(folder):
    return PeftModel.from_pretrained(CLIPModel.from_pretrained(at("hf")), folder, is_trainable=True)


def train_in_peft(theirs, steps=12):
    optimizer = torch.optim.AdamW([p for p in theirs.parameters() if p.requires_grad], lr=2e-3)
    for _ in range(steps):
        o = outputs(theirs)
        loss = torch.nn.functional.cross_entropy(o.logits_per_image, torch.arange(8)) + \
            torch.nn.functional.cross_entropy(o.logits_per_text, torch.arange(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def difference(a, b):
    return float(np.abs(a - b).max())


start, failed = ours("base/final"), False
print(f"base: {difference(start, unit(CLIPModel.from_pretrained(at('hf')))):.1e}")
cases = {"lora": [], "dora": ["lora.dora=true"], "lora, all-linear, rsLoRA, biases": ["lora.bias=lora_only", "lora.rank_stabilized=true",
         'lora.target_modules=["all-linear"]'],
         "lora beside": ['train=["logit_scale","*.layer_norm1","visual_projection","*.fc1.bias"]'],
         "dora beside": ["lora.dora=true", 'train=["logit_scale","*.layer_norm1","visual_projection"]']}
for case, settings in cases.items():
    train("ours", "lora_mode=adapter", "lora.rank=4", "lora.alpha=8", *settings)
    first, read = ours("ours/final"), peft(at("ours/final"))
    rows = {"ours": difference(first, unit(read))}
    shutil.rmtree(at("merged"), ignore_errors=True)
    edgeclip("merge", "--checkpoint", at("ours/final"), "--out", at("merged"))
    rows["merged"] = difference(ours("merged"), unit(peft(at("ours/final")).merge_and_unload()))
    train_in_peft(read)
    shutil.rmtree(at("peft"), ignore_errors=True)
    read.save_pretrained(at("peft"))
    # What PEFT cannot name it does not save: see README.md; its own reading of the file is what counts then.
    second, again = ours("base/final", at("peft")), peft(at("peft"))
    rows["peft"] = difference(second, unit(again))
    train("back", "lora_mode=continue", adapter=at("peft"))
    third = ours("back/final")
    rows["back"] = difference(third, unit(peft(at("back/final"))))
    moved = [difference(a, b) for a, b in ((start, first), (first, second), (second, third))]
    failed |= max(rows.values()) > LIMIT or min(moved) < 1e-3
    print(f"{case}: " + ", ".join(f"{name} {value:.1e}" for name, value in rows.items()) + "; moved by " +
          ", ".join(f"{value:.2f}" for value in moved))
if len(sys.argv) < 2:
    shutil.rmtree(work)
sys.exit(failed)
