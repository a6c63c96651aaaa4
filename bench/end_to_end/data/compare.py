"""edgeclip's tokenizer and image preprocessing beside their peers: one run, interleaved, one thread, medians; then its own
scaling with threads.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tokenizers pillow numpy opencv-python-headless torch torchvision
    cmake --preset release -DEDGECLIP_BENCH=ON && cmake --build --preset release --target bench_data
    /tmp/venv/bin/python bench/end_to_end/data/compare.py --program build/release/bin/bench_data --data $EDGECLIP_DATA
"""
import argparse, gzip, json, os, statistics, subprocess, tempfile, time

os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1", OMP_NUM_THREADS="1")
import cv2
import numpy as np
import torch
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torchvision import transforms

arguments = argparse.ArgumentParser()
arguments.add_argument("--program", required=True)
arguments.add_argument("--data", required=True)
arguments.add_argument("--rounds", type=int, default=7)
arguments.add_argument("--json")
a = arguments.parse_args()
torch.set_num_threads(1)
cv2.setNumThreads(1)
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def ours(*command, threads=1):
    return lambda: float(subprocess.run([a.program, *command, str(threads)], check=True, capture_output=True, text=True).stdout)


def rate(count, body):
    def run():
        start = time.perf_counter()
        body()
        return count / (time.perf_counter() - start)
    return run


def clip_tokenizer(path):
    """The Rust core, put together as transformers' CLIPTokenizer does."""
    lines = gzip.open(path).read().decode().split("\n")[1:48895]
    merges = [tuple(line.split()) for line in lines]
    alphabet = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    characters = [chr(b) for b in alphabet] + [chr(256 + n) for n in range(256 - len(alphabet))]
    tokens = characters + [c + "</w>" for c in characters] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    t = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges, continuing_subword_prefix="",
                             end_of_word_suffix="</w>", fuse_unk=False, unk_token="<|endoftext|>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.post_processor = processors.RobertaProcessing(sep=("<|endoftext|>", 49407), cls_token=("<|startoftext|>", 49406),
                                                    add_prefix_space=False, trim_offsets=False)
    t.enable_truncation(77)
    t.enable_padding(length=77, pad_id=49407)
    return t


results = {}


def compare(title, runs):
    """runs: name -> function giving a rate; the first is ours."""
    rates = {name: [] for name in runs}
    for _ in range(a.rounds):
        for name, run in runs.items():
            rates[name].append(run())
    medians = {name: statistics.median(values) for name, values in rates.items()}
    first = next(iter(medians))
    print(f"\n{title}")
    for name, value in medians.items():
        print(f"  {name:44} {value:10.1f} /s   {medians[first] / value:5.2f} x" if name != first else f"  {name:44} {value:10.1f} /s")
    results[title] = medians


with tempfile.TemporaryDirectory() as folder:
    captions = [" ".join(c.split()) for r in json.load(open(f"{a.data}/cuhk_pedes/captions_only.json")) for c in r["captions"]]
    texts = f"{folder}/captions.txt"
    open(texts, "w").write("\n".join(captions))
    vocabulary = f"{a.data}/vocab/bpe_simple_vocab_16e6.txt.gz"
    rust = clip_tokenizer(vocabulary)
    compare(f"tokenizing {len(captions)} CUHK-PEDES captions, ids of 77", {
        "edgeclip": ours("tokenize", "clip:" + vocabulary, texts),
        "tokenizers (Rust), encode_batch": rate(len(captions), lambda: rust.encode_batch(captions))})

    photos = f"{folder}/photos"
    os.mkdir(photos)
    for name in sorted(os.listdir(f"{a.data}/flickr8k/images"))[:500]:
        Image.open(f"{a.data}/flickr8k/images/{name}").convert("RGB").resize((640, 480), Image.Resampling.BICUBIC).save(
            f"{photos}/{name}", quality=90, subsampling="4:2:0")
    files = [f"{photos}/{name}" for name in sorted(os.listdir(photos))]
    torchvision = transforms.Compose([transforms.Resize(224, interpolation=transforms.InterpolationMode.BICUBIC),
                                      transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def with_opencv(file):
        image = cv2.cvtColor(cv2.imread(file), cv2.COLOR_BGR2RGB)
        h, w = image.shape[:2]
        size = (224, 224 * h // w) if w <= h else (224 * w // h, 224)
        image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
        top, left = (size[1] - 224) // 2, (size[0] - 224) // 2
        image = image[top:top + 224, left:left + 224]
        return ((image.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)).transpose(2, 0, 1).copy()

    compare(f"{len(files)} JPEG photos of 640 x 480 to 224 x 224, normalized", {
        "edgeclip, equal to Pillow": ours("images", photos, "CLIP"),
        "Pillow + torchvision": rate(len(files), lambda: [torchvision(Image.open(f).convert("RGB")) for f in files]),
        "OpenCV bicubic (no antialiasing)": rate(len(files), lambda: [with_opencv(f) for f in files]),
        "edgeclip, decoding alone": ours("images", photos, "DECODE")})
    compare("the same with JPEGs decoded at a smaller scale", {
        "edgeclip, fast_decode": ours("images", photos, "FAST"),
        "Pillow + torchvision": rate(len(files), lambda: [torchvision(Image.open(f).convert("RGB")) for f in files])})
    cores = len(os.sched_getaffinity(0))
    counts = sorted({n for n in (1, 2, 4, 8, 16) if n <= cores} | {cores})
    for what, command in {"tokenizing": ("tokenize", "clip:" + vocabulary, texts), "images, equal to Pillow": ("images", photos, "CLIP"),
                          "decoding alone": ("images", photos, "DECODE")}.items():
        compare(f"{what} by threads ({cores} CPUs)", {f"{n}": ours(*command, threads=n) for n in counts})
if a.json:
    json.dump(results, open(a.json, "w"), indent=2)
