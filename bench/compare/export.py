"""ONNX models of every network that export writes, in every operator set asked for, by the readers of others: the checker of the current
`onnx`, ONNX Runtime and OpenVINO, whose embeddings of the bundle's reference inputs are compared with LibTorch's.

    bench/compare/export.sh build/release/bin/edgeclip WORK [--json export.json]

Then each in int8, static (Q/DQ) and dynamic: the same readers, by --int8-bar, the tolerance of `verify` for int8.

The networks are small and trained for a few steps at a high rate, so that no bias is 0 and no norm's weight is 1; --checkpoint adds others.
Ends with status 1 if a model is refused, if a cosine is below --bar or an element further off than --most.
"""
import argparse, itertools, json, pathlib, subprocess, sys, tempfile

import numpy, onnx, onnxruntime, openvino
from safetensors.numpy import load_file

arguments = argparse.ArgumentParser()
arguments.add_argument("--edgeclip", required=True, type=pathlib.Path)
arguments.add_argument("--opsets", nargs="+", type=int, default=[12, 13, 14, 15, 16, 17, 18, 19, 20])
arguments.add_argument("--checkpoint", nargs="*", type=pathlib.Path, default=[])
arguments.add_argument("--bar", type=float, default=0.99999)
arguments.add_argument("--most", type=float, default=1e-5, help="largest difference of an element of a unit row")
arguments.add_argument("--int8-bar", type=float, default=0.99)
arguments.add_argument("--json", type=pathlib.Path)
a = arguments.parse_args()

VIT = {"model_type": "vit", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": [96]}
TEXT = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": [80]}
RESNET = {"model_type": "resnet", "depths": [2, 1], "hidden_sizes": [32, 64], "embedding_size": 16}
NETWORKS = {
    "vit class, CLIP's text": {"vision": {**VIT, "pooling": "class"}, "text": {**TEXT, "model_type": "clip_text"}},
    "vit mean, DistilBERT mean": {"vision": {**VIT, "pooling": "mean", "hidden_act": "gelu"},
                                  "text": {**TEXT, "model_type": "distilbert", "pooling": "mean"}},
    "vit class that merges tokens, CLIP's text": {"vision": {**VIT, "pooling": "class", "num_hidden_layers": 3, "token_merging": [12, 9, 0]},
                                                  "text": {**TEXT, "model_type": "clip_text"}},
    "vit mean that merges tokens, CLIP's text": {"vision": {**VIT, "pooling": "mean", "token_merging": [16], "proportional_attention": False},
                                                 "text": {**TEXT, "model_type": "clip_text"}},
    "resnet, DistilBERT first": {"vision": RESNET, "text": {**TEXT, "model_type": "distilbert", "pooling": "cls"}},
    "resnet, CLIP's text, heads of two layers": {"vision": RESNET, "text": {**TEXT, "model_type": "clip_text", "hidden_act": "gelu"},
                                                 "visual_projection": {"model_type": "mlp"}, "text_projection": {"model_type": "mlp"}},
    "pruned: heads and neurons of a vit, heads of DistilBERT": {"vision": {**VIT, "num_attention_heads": 4, "layer_heads": [3, 1], "intermediate_size": [40, 88]},
                                                                "text": {**TEXT, "model_type": "distilbert", "layer_heads": [1, 2]}},
    "pruned: channels of a resnet": {"vision": {**RESNET, "hidden_sizes": [24, 56], "inner_sizes": [8, 7, 5, 8, 16, 9]},
                                     "text": {**TEXT, "model_type": "clip_text"}},
}


def edgeclip(*command):
    done = subprocess.run([str(a.edgeclip), *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"edgeclip {' '.join(map(str, command))}: status {done.returncode}\n{done.stderr.strip()[-300:]}")


def made(folder, name, model):
    """A checkpoint of these networks."""
    out = folder / name.replace(" ", "_")
    config = out.with_suffix(".json")
    config.write_text(json.dumps({"model": model, "optimizer": {"lr": 0.02}, "batch": 8, "steps": 4, "precision": "fp32"}))
    edgeclip("train", "--config", config, "--data", folder / "data", "--out", out, "--quiet")
    return out / "final"


def run_onnxruntime(file, name, value):
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {name: value})[0]


def run_openvino(file, name, value):
    # Hints of a device are not wanted: the CPU plugin would take bfloat16 where there is some.
    compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled({name: value})[0]


def worst(bundle, run):
    """Least cosine and largest difference over the bundle's reference inputs; of what is no number, NaN."""
    cosines, differences = [], []
    reference = load_file(bundle / "reference.safetensors")
    for name, value in reference.items():
        if name.endswith("_embeds"):
            continue
        case, entry = name.rsplit("/", 1)
        tower = case.split("/")[0]
        actual, expected = run(str(bundle / f"{tower}.onnx"), entry, value), reference[f"{case}/{tower}_embeds"]
        cosine = (actual * expected).sum(1) / numpy.linalg.norm(actual, axis=1) / numpy.linalg.norm(expected, axis=1)
        cosines.append(cosine)
        differences.append(numpy.abs(actual - expected).ravel())
    return float(numpy.concatenate(cosines).min()), float(numpy.concatenate(differences).max())


def whole_model(bundle, run):
    """The same of model.onnx, from the largest cases of both towers: embeddings and logits."""
    reference = load_file(bundle / "reference.safetensors")
    pixels, image = reference["image/b8/pixel_values"], reference["image/b8/image_embeds"]
    case = max((name.rsplit("/", 1)[0] for name in reference if name.startswith("text/b8")), key=len)
    out = run(str(bundle / "model.onnx"), {"input_ids": reference[f"{case}/input_ids"], "pixel_values": pixels})
    text = reference[f"{case}/text_embeds"]
    scale = json.loads((bundle / "bundle.json").read_text())["card"]["logit_scale"]
    logits = scale * image @ text.T
    # Logits are as many times as large as cosines.
    return max(float(numpy.abs(actual - expected).max()) for actual, expected in
               ((out["logits_per_image"] / scale, logits / scale), (out["logits_per_text"] / scale, logits.T / scale),
                (out["text_embeds"], text), (out["image_embeds"], image)))


def whole_onnxruntime(file, inputs):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def whole_openvino(file, inputs):
    compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {output.get_any_name(): value for output, value in compiled(inputs).items()}


def measure(bundle, towers=("image", "text", "model")):
    row = {}
    for tower in towers:
        try:
            onnx.checker.check_model(str(bundle / f"{tower}.onnx"), full_check=True)
        except Exception as error:
            row[f"checker, {tower}"] = str(error).splitlines()[0]
    for peer, run, run_whole in (("onnxruntime", run_onnxruntime, whole_onnxruntime), ("openvino", run_openvino, whole_openvino)):
        try:
            row[peer], row[f"{peer}, difference"] = worst(bundle, run)
            if "model" in towers:
                row[f"{peer}, difference in model.onnx"] = whole_model(bundle, run_whole)
        except Exception as error:
            row[peer] = str(error).splitlines()[0]
    return row


rows = []


def note(networks, form, row, good):
    rows.append({"networks": networks, "form": form, "good": good, **row})
    print(f"{networks}, {form}: " + ("good" if good else "NOT GOOD") + ", " + ", ".join(f"{k} {v}" for k, v in row.items()), flush=True)


with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary)
    edgeclip("synthesize", "--out", folder / "data", "--people", 12, "--quiet")
    checkpoints = {name: made(folder, name, model) for name, model in NETWORKS.items()}
    checkpoints.update({str(path): path for path in a.checkpoint})
    for (networks, checkpoint), opset in itertools.product(checkpoints.items(), a.opsets):
        bundle = folder / "bundle"
        edgeclip("export", "--checkpoint", checkpoint, "--opset", opset, "--out", bundle, "--overwrite", "--quiet", "--merged",
                 *(["--external-data"] if opset == 14 else []))
        row = measure(bundle)
        note(networks, f"opset {opset}", row, all(isinstance(value, float) and (value <= a.most if "difference" in name else value >= a.bar)
                                                  for name, value in row.items()))
    for (networks, checkpoint), method in itertools.product(checkpoints.items(), ("static", "dynamic")):
        bundle = folder / "int8"
        edgeclip("export", "--checkpoint", checkpoint, "--out", folder / "bundle", "--overwrite", "--quiet")
        edgeclip("quantize", "--bundle", folder / "bundle", "--method", method, "--out", bundle, "--overwrite", "--quiet",
                 *(["--data", folder / "data"] if method == "static" else []))
        row = measure(bundle, ("image", "text"))
        note(networks, f"{method} int8", row, all(isinstance(value, float) and ("difference" in name or value >= a.int8_bar) for name, value in row.items()))
if a.json:
    versions = {module.__name__: module.__version__ for module in (onnx, onnxruntime, openvino)}
    a.json.write_text(json.dumps({"versions": versions, "rows": rows}, indent=1))
sys.exit(0 if all(row["good"] for row in rows) else 1)
