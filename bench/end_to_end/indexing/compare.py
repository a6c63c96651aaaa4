"""The published experiment: images/s of indexing one by one, in batches, with parallel preprocessing, with static and dynamic schedules and
with the automatic one, in float32 and int8, beside Hugging Face's CLIP one by one and batched; ViT-B/32 with seeded random weights,
flickr8k.  One run on one machine, rows in turn, medians over the rounds; a row that was measured is not measured again (OUT/rows.json), so
that the same command goes on where it was.

    python3 -m venv /var/tmp/peers && /var/tmp/peers/bin/pip install torch transformers pillow
    cmake --preset release -DEDGECLIP_BENCH=ON && cmake --build --preset release
    env -u OPENBLAS_CORETYPE /var/tmp/peers/bin/python bench/end_to_end/indexing/compare.py --bin build/release/bin \\
        --data $EDGECLIP_DATA --out /var/tmp/indexing

Writes OUT/table.md.  --market PLAN: market1501's crops once besides, with that plan.
"""
import argparse, json, os, pathlib, shutil, statistics, subprocess, sys

arguments = argparse.ArgumentParser()
arguments.add_argument("--bin", type=pathlib.Path, required=True)
arguments.add_argument("--data", type=pathlib.Path, required=True)
arguments.add_argument("--out", type=pathlib.Path, required=True)
arguments.add_argument("--images", type=int, default=1000)
arguments.add_argument("--one-by-one", type=int, default=300, help="images of the rows without batches")
arguments.add_argument("--sweep", type=int, default=300, help="images of each setting of the sweep")
arguments.add_argument("--rounds", type=int, default=3)
arguments.add_argument("--precisions", nargs="+", default=["fp32", "int8"])
arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
arguments.add_argument("--market", type=pathlib.Path)
a = arguments.parse_args()
HERE = pathlib.Path(__file__).parent
MODES = ["baseline", "batched", "parallel", "static", "dynamic", "auto"]
SWEEP = [(c, b) for c in sorted({1, a.threads}) for b in (4, 8, 16, 32)]


def sh(*command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout


def once(path, make):
    if not path.exists():
        make()
    return path


a.out.mkdir(parents=True, exist_ok=True)
edge, workshop = a.bin / "edgeclip-edge", a.bin / "edgeclip"
images = sorted((a.data / "flickr8k").rglob("*.jpg"))[:a.images]
lists = {}
for count in (a.images, a.one_by_one, a.sweep):
    lists[count] = a.out / f"{count}.txt"
    lists[count].write_text("\n".join(str(p) for p in images[:count]) + "\n")
hf = once(a.out / "hf", lambda: sh(sys.executable, HERE / "peer.py", "make", a.out / "hf"))
checkpoint = once(a.out / "checkpoint", lambda: sh(workshop, "import", "--from", hf, "--tokenizer",
                                                   f"clip:{a.data}/vocab/bpe_simple_vocab_16e6.txt.gz", "--out", a.out / "checkpoint"))
bundle = once(a.out / "bundle", lambda: sh(workshop, "export", "--checkpoint", checkpoint, "--out", a.out / "bundle"))
plans = {}
for precision in a.precisions:
    calibration = ["--calibration", calibrated] if precision == "int8" and (calibrated := once(
        a.out / "dataset", lambda: sh(workshop, "prepare", "--annotations", next((a.data / "flickr8k").glob("*.json")), "--images", a.data / "flickr8k/images",
                                      "--tokenizer", f"clip:{a.data}/vocab/bpe_simple_vocab_16e6.txt.gz", "--out", a.out / "dataset"))) else []
    plans[precision] = once(a.out / f"plan-{precision}", lambda: sh(edge, "build", "--bundle", bundle, "--precision", precision, "--batches", "1,4,8,16,32",
                                                                    *calibration, "--out", a.out / f"plan-{precision}"))


def index(plan, count, *options):
    gallery = a.out / "gallery"
    shutil.rmtree(gallery, ignore_errors=True)
    report = json.loads(sh(edge, "index", "--plan", plan, "--images", lists[count], "--out", gallery, "--threads", a.threads, "--quiet", "--json", "-", *options))
    assert report["indexed"] == count and not report["failed"], report
    return report["images_per_s"], {k: report[k] for k in ("producers", "consumers", "batch")}


def peer(count, batch):
    return json.loads(sh(sys.executable, HERE / "peer.py", "index", hf, lists[count], count, batch, a.threads))["images_per_s"], {"batch": batch}


rows = {"Hugging Face, one by one": lambda: peer(a.one_by_one, 1), "Hugging Face, batches of 32": lambda: peer(a.images, 32)}
for precision, plan in plans.items():
    for mode in MODES:
        rows[f"{precision}, {mode}"] = lambda plan=plan, mode=mode: index(plan, a.one_by_one if mode == "baseline" else a.images, "--mode", mode)
    for c, b in SWEEP:
        rows[f"{precision}, sweep {c} x {b}"] = lambda plan=plan, c=c, b=b: index(plan, a.sweep, "--mode", "auto", "--consumers", str(c), "--batch", str(b))
    rows[f"{precision}, decode alone"] = lambda plan=plan: (float(sh(a.bin / "bench_indexing", "decode", plan, lists[a.images], a.threads)), {})
    rows[f"{precision}, encode alone"] = lambda plan=plan: (
        max(float(sh(a.bin / "bench_indexing", "encode", plan, lists[a.images], a.threads, b)) for b in (8, 32)), {})

kept_file = a.out / "rows.json"
kept = json.loads(kept_file.read_text()) if kept_file.exists() else {}
settings = [a.images, a.one_by_one, a.sweep, a.threads, next(l for l in open("/proc/cpuinfo") if l.startswith("model name")), sh(edge, "--version")]
if kept.get("settings") != settings:
    kept = {"settings": settings, "rates": {}, "how": {}}
for round_ in range(a.rounds):
    for name, measure in rows.items():
        rates = kept["rates"].setdefault(name, [])
        if len(rates) > round_:
            continue
        rate, kept["how"][name] = measure()
        rates.append(rate)
        kept_file.write_text(json.dumps(kept))
        print(f"{name}: {rate:.2f} images/s", file=sys.stderr, flush=True)

rate = {name: statistics.median(kept["rates"][name]) for name in rows}
base = rate["Hugging Face, one by one"]
lines = ["| | images/s | times Hugging Face one by one | threads that decode, batches at once, images in each |", "|---|---|---|---|"]
for name in rows:
    if "sweep" in name or "alone" in name:
        continue
    how = kept["how"][name]
    lines.append(f"| {name} | {rate[name]:.2f} | {rate[name] / base:.2f} | {how.get('producers', '')}, {how.get('consumers', '')}, {how.get('batch', '')} |")
for precision in plans:
    best = max((name for name in rows if name.startswith(f"{precision}, sweep")), key=rate.get)
    decode, encode = rate[f"{precision}, decode alone"], rate[f"{precision}, encode alone"]
    bound, auto = 1 / (1 / decode + 1 / encode), rate[f"{precision}, auto"]
    lines.append(f"\n{precision}: auto is {auto / rate[best]:.3f} of the best of the sweep ({best.split('sweep ')[1]}: {rate[best]:.2f}), and {auto / bound:.3f} of "
                 f"1 / (1/decode + 1/encode) = {bound:.2f} (decode alone {decode:.0f}, encode alone {encode:.2f} images/s).")
if a.market:
    crops = a.out / "market.txt"
    crops.write_text("\n".join(str(p) for p in sorted((a.data / "market1501").rglob("*.jpg"))) + "\n")
    shutil.rmtree(a.out / "market", ignore_errors=True)
    report = json.loads(sh(edge, "index", "--plan", a.market, "--images", crops, "--out", a.out / "market", "--quiet", "--json", "-"))
    lines.append(f"\nmarket1501, {report['indexed']} crops, {a.market.name}: {report['images_per_s']:.0f} images/s ({report['consumers']} at once, batches of {report['batch']}).")
(a.out / "table.md").write_text("\n".join(lines) + "\n")
print("\n".join(lines))
