"""The time to a quality: a recipe trained by edgeclip and by PyTorch on market1501, from the same weights, on the same batches, for the
same number of steps; interleaved, several seeds.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch pillow safetensors numpy xxhash
    cmake --preset release -DEDGECLIP_BENCH=ON && cmake --build --preset release
    /tmp/venv/bin/python bench/end_to_end/quality/compare.py --bin build/release/bin --market $EDGECLIP_DATA/market1501 --out /tmp/quality

--minutes is the budget of the slower of the two: how many steps that is, a first run of --probe steps of both says (--steps: as many).
Times are those of the steps, with decoding and the batches' making, without start, validation and saving.  Both leave a checkpoint, and
`edgeclip evaluate` measures both on the split "test".  That the two compute the same is seen in the first losses ("agreement").
Start on an idle machine: what a neighbour takes from one of the two falsifies the ratio.  "steal" is what another guest took.
"""
import argparse, itertools, json, os, pathlib, shutil, statistics, sys

import runs

arguments = argparse.ArgumentParser()
arguments.add_argument("--bin", required=True, type=pathlib.Path, help="folder of edgeclip and quality_batches")
arguments.add_argument("--market", required=True, type=pathlib.Path)
arguments.add_argument("--out", required=True, type=pathlib.Path, help="datasets and runs; what is there is not done again")
arguments.add_argument("--config", type=pathlib.Path, default=runs.ROOT / "configs/train/person_small.json")
arguments.add_argument("--minutes", type=float, default=3)
arguments.add_argument("--steps", type=int)
arguments.add_argument("--probe", type=int, default=12)
arguments.add_argument("--seeds", type=int, default=3)
arguments.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
arguments.add_argument("--compile", action="store_true", help="the peer's towers by torch.compile")
arguments.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="changes of the recipe")
arguments.add_argument("--json", type=pathlib.Path)
a = arguments.parse_args()
edgeclip = a.bin / "edgeclip"
a.out.mkdir(parents=True, exist_ok=True)
data = runs.prepare(edgeclip, a.threads, a.market, a.out / "dataset")
changes = dict(c.split("=", 1) for c in a.set)


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def pair(name, seed, steps, ours_first):
    """Both trainings of one seed: {"ours": {...}, "peer": {...}}."""
    return runs.once(a.out / f"{name}.json", lambda: train_both(name, seed, steps, ours_first))


def train_both(name, seed, steps, ours_first):
    start = a.out / f"{name}.start"
    common = dict(config=a.config, data=data, seed=seed, precision=a.precision, **changes)
    runs.train(edgeclip, a.threads, fresh(start), **{**common, "steps": 1, "optimizer.lr": 1e-30})  # the weights as they are made
    ours_out, peer_out, batches = (a.out / f"{name}.{what}" for what in ("ours", "peer", "batches"))
    common.update({"init": start / "final", "steps": steps, "validate_every": 10**6})

    def ours():
        report = runs.train(edgeclip, a.threads, ours_out, **common)
        lines = [json.loads(line) for line in (ours_out / "metrics.jsonl").read_text().splitlines()]
        return {"seconds": report["seconds"], "losses": [x["loss"] for x in lines if "loss" in x], "checkpoint": ours_out / "final"}

    def peer():
        report = json.loads(runs.call([sys.executable, pathlib.Path(__file__).with_name("peer.py"), "--start", start / "final", "--run",
                                       ours_run, "--batches", batches, "--out", peer_out, "--threads", a.threads, "--precision",
                                       a.precision] + (["--compile"] if a.compile else []), a.threads))
        return {**report, "checkpoint": peer_out}

    # The order of the batches follows from the options alone: a run of one step says them.
    ours_run = a.out / f"{name}.options"
    runs.train(edgeclip, a.threads, fresh(ours_run), **{**common, "steps": 1})
    record = json.loads((ours_run / "run.json").read_text())
    record["options"]["steps"] = steps
    (ours_run / "run.json").write_text(json.dumps(record))
    runs.call([a.bin / "quality_batches", ours_run, fresh(batches)], a.threads)
    before, results = runs.steal_ticks(), {}
    for side in ([ours, peer] if ours_first else [peer, ours]):
        fresh(ours_out if side is ours else peer_out)
        results[side.__name__] = side()
    after = runs.steal_ticks()
    for result in results.values():
        measured = runs.evaluate(edgeclip, a.threads, result.pop("checkpoint"), data, "test")
        result.update(mAP=measured["text_to_image"]["mAP"], R1=measured["text_to_image"]["R@1"])
        result["images_per_s"] = steps * record["options"]["batch"] / result["seconds"]
    results["agreement"] = max(abs(x - y) / abs(x) for x, y in zip(results["ours"]["losses"][:5], results["peer"]["losses"][:5]))
    results["steal_percent"] = 100 * (after[0] - before[0]) / (after[1] - before[1])
    for folder in (start, ours_run, batches):
        shutil.rmtree(folder)
    return results


steps = a.steps
settings = runs.digest(json.loads(a.config.read_text()), changes, a.precision, a.threads, a.compile)  # results of others are not these
if not steps:
    probe = pair(f"probe-{settings}", 0, a.probe, True)
    steps = int(a.minutes * 60 * a.probe / max(probe["ours"]["seconds"], probe["peer"]["seconds"]))
pairs = [pair(f"{steps}-{settings}-{seed}", seed, steps, seed % 2 == 0) for seed in range(a.seeds)]


def summary(side, key):
    values = [p[side][key] for p in pairs]
    return {"mean": statistics.mean(values), "deviation": statistics.stdev(values) if len(values) > 1 else None, "values": values}


report = {"steps": steps, "precision": a.precision, "cpu": runs.cpu_name(), "threads": a.threads, "torch": pairs[0]["peer"]["torch"],
          "isa": pairs[0]["peer"]["isa"], "compiled": a.compile, "agreement": max(p["agreement"] for p in pairs),
          "steal_percent": max(p["steal_percent"] for p in pairs),
          "time_ratio": statistics.median(p["ours"]["seconds"] / p["peer"]["seconds"] for p in pairs)}
for side, key in itertools.product(("ours", "peer"), ("images_per_s", "mAP", "R1")):
    report.setdefault(side, {})[key] = summary(side, key)
print(f"{report['cpu']}, {a.threads} threads, {a.precision}, {steps} steps, {a.seeds} seeds; the first losses agree to {report['agreement']:.1e}")
for side in ("ours", "peer"):
    s = report[side]
    print(f"{side:5} {s['images_per_s']['mean']:7.1f} images/s   mAP {s['mAP']['mean']:.2f} +- {s['mAP']['deviation'] or 0:.2f}   "
          f"R@1 {s['R1']['mean']:.2f} +- {s['R1']['deviation'] or 0:.2f}")
print(f"time of ours / peer: {report['time_ratio']:.2f} (images per second {1 / report['time_ratio']:.2f}x), steal {report['steal_percent']:.2f} %")
if a.json:
    a.json.write_text(json.dumps(report, indent=1))
