"""LoRA adapters on ../tiny_clip as PEFT saves them, and what PEFT computes with them on its batch: see README.md.
Needs torch, transformers and peft (versions: meta.json):  python make.py
The reference is computed in float64 on float32 weights and stored as float32; meta.json says how far a float32 run is from it."""
import copy, json, os, shutil, sys

os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
if os.environ.get("PYTHONHASHSEED") != "0":   # PEFT writes target_modules in the order of a Python set
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
import numpy as np
import peft, torch, transformers
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

torch.set_num_threads(1)
here = os.path.dirname(os.path.abspath(__file__))
os.chdir(f"{here}/../../..")                  # so that base_model_name_or_path is no path of one machine
CLIP = "tests/golden/tiny_clip"
base = CLIPModel.from_pretrained(CLIP, attn_implementation="sdpa").eval()
pixels = torch.from_numpy(np.load(f"{CLIP}/pixel_values.npy"))
ids = torch.from_numpy(np.load(f"{CLIP}/input_ids.npy")).long()

cases = {
    "bias_all": dict(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"], bias="all"),
    "bias_lora_only": dict(r=2, lora_alpha=4, target_modules=["fc1", "out_proj"], bias="lora_only"),
    "regex": dict(r=3, lora_alpha=6, init_lora_weights="gaussian",
                  target_modules=r".*vision_model\.encoder\.layers\.[01]\.(self_attn\.[qv]_proj|mlp\.fc2)"),
    "all_linear": dict(r=2, lora_alpha=2, target_modules="all-linear", exclude_modules=["fc2", "visual_projection"]),
    "exclude_regex": dict(r=2, lora_alpha=8, target_modules=["q_proj", "self_attn.v_proj", "fc1", "text_projection"],
                          exclude_modules=r"text_model\.encoder\.layers\.0\..*|.*\.1\.mlp\.fc1"),
    "save_modules": dict(r=4, lora_alpha=8, target_modules=["q_proj"], use_rslora=True,
                         modules_to_save=["layer_norm1", "text_projection", "post_layernorm"]),
    # The keys are in sorted order, as save_pretrained writes them: the first that matches wins, and "q_proj" is the later.
    "patterns": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "fc1"],
                     rank_pattern={"^text_model.encoder.layers.1.self_attn.v_proj": 1, "fc1": 2, r"layers\.0\..*q_proj": 3, "q_proj": 5},
                     alpha_pattern={"^text_model.encoder.layers.1.self_attn.v_proj": 3, "fc1|v_proj": 6, r"layers\.0\..*q_proj": 5}),
    "second": dict(r=2, lora_alpha=4, target_modules=["k_proj", "fc2"]),
    "dora": dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "fc1", "text_projection"], use_dora=True),
    "dora_all": dict(r=2, lora_alpha=5, target_modules="all-linear", use_dora=True, use_rslora=True, bias="lora_only",
                     modules_to_save=["post_layernorm"], rank_pattern={"fc1": 4}),
}


def run(model):
    """Outputs, loss and the gradients of the loss under the names of the adapter file."""
    model.zero_grad(set_to_none=True)
    o = model(pixel_values=pixels.to(next(model.parameters()).dtype), input_ids=ids, return_loss=True)
    o.loss.backward()
    name = lambda n: n.replace(".default", "").replace("modules_to_save.", "").replace("magnitude_vector.weight", "magnitude_vector")
    return {"image_embeds": o.image_embeds.detach(), "text_embeds": o.text_embeds.detach(), "logits_per_image": o.logits_per_image.detach(),
            "loss": o.loss.detach().reshape(1), **{f"grad.{name(n)}": p.grad for n, p in model.named_parameters() if p.grad is not None}}


def load(folder):
    return PeftModel.from_pretrained(copy.deepcopy(base), folder, is_trainable=True).eval()


def embeds(model):
    with torch.no_grad():
        o = model(pixel_values=pixels.double(), input_ids=ids)
    return torch.cat([o.image_embeds, o.text_embeds])


meta = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "cases": {}}
plain = embeds(copy.deepcopy(base).double())
results = {}
for number, (case, options) in enumerate(cases.items()):
    folder = f"{here}/{case}"
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(7000 + number)
    model = get_peft_model(copy.deepcopy(base), LoraConfig(**copy.deepcopy(options))).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.copy_(torch.randn(p.shape) * 0.1)
            elif "lora_magnitude" in name:
                p.mul_(1 + torch.randn(p.shape) * 0.1)
            elif p.requires_grad and "lora_" not in name:   # biases and saved modules
                p.add_(torch.randn(p.shape) * 0.02)
    model.save_pretrained(folder)
    os.remove(f"{folder}/README.md")          # the model card
    saved = load_file(f"{folder}/adapter_model.safetensors")
    again = get_peft_model_state_dict(load(folder))
    assert saved.keys() == again.keys() and all(torch.equal(saved[k], again[k]) and saved[k].dtype == torch.float32 for k in saved)
    config = json.load(open(f"{folder}/adapter_config.json"))
    assert all(list(config[k]) == list(options.get(k, {})) for k in ("rank_pattern", "alpha_pattern"))

    exact, single = run(load(folder).double()), run(load(folder))
    results[case] = torch.cat([exact["image_embeds"], exact["text_embeds"]])
    gradients = {k.removeprefix("grad."): v for k, v in exact.items() if k.startswith("grad.")}
    assert gradients.keys() == saved.keys(), gradients.keys() ^ saved.keys()
    assert all((float(v.abs().max()) < 1e-12) == k.endswith(("k_proj.bias", "k_proj.base_layer.bias")) for k, v in gradients.items())
    assert float((results[case] - plain).abs().max()) > 1e-2
    assert float((embeds(load(folder).double().merge_and_unload()) - results[case]).abs().max()) < 1e-12
    if case == "dora":                        # merging divides by the norm of what is merged: its values are worth keeping
        merged = load(folder).double().merge_and_unload().state_dict()
        start = base.state_dict()
        changed = {k: v for k, v in merged.items() if not torch.equal(v, start[k].double())}
        save_file({k: v.float().contiguous() for k, v in changed.items()}, f"{here}/{case}.merged.safetensors")
    save_file({k: v.float().contiguous() for k, v in exact.items()}, f"{here}/{case}.expected.safetensors")
    deviation = {k: float((single[k].double() - exact[k]).abs().max()) for k in exact}
    meta["cases"][case] = {"tensors": len(saved), "float32_deviation": {
        "outputs": max(v for k, v in deviation.items() if not k.startswith("grad.")),
        "gradients": max(v for k, v in deviation.items() if k.startswith("grad.")),
        "gradients_over_tensor_max": max(v / float(exact[k].abs().max()) for k, v in deviation.items()
                                         if k.startswith("grad.") and not k.endswith(("k_proj.bias", "k_proj.base_layer.bias")))}}
    print(case, meta["cases"][case])

# A few steps of training: SGD with momentum from the adapter "dora", in float64.
trained = load(f"{here}/dora").double()
optimizer = torch.optim.SGD([p for p in trained.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
losses = []
for _ in range(8):
    optimizer.zero_grad()
    loss = trained(pixel_values=pixels.double(), input_ids=ids, return_loss=True).loss
    loss.backward()
    optimizer.step()
    losses.append(loss.detach())
after = {k: v.float().contiguous() for k, v in get_peft_model_state_dict(trained).items()}
save_file({"losses": torch.stack(losses).float(), **after}, f"{here}/dora.steps.safetensors")
print("dora, 8 steps:", [round(float(v), 4) for v in losses])

# Switching: each of two adapters on one base gives what it gives alone, in any order.
both = PeftModel.from_pretrained(copy.deepcopy(base), f"{here}/regex", adapter_name="regex")
both.load_adapter(f"{here}/second", adapter_name="second")
both = both.double().eval()
for case in ("second", "regex", "second"):
    both.set_adapter(case)
    assert float((embeds(both) - results[case]).abs().max()) < 1e-12
with both.disable_adapter():
    assert float((embeds(both) - plain).abs().max()) < 1e-12
json.dump(meta, open(f"{here}/meta.json", "w"), indent=1)
for folder, _, files in os.walk(here):        # safetensors makes files that only their owner can read
    for file in files:
        os.chmod(f"{folder}/{file}", 0o644)
