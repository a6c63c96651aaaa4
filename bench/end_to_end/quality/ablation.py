"""A recipe improved step by step on market1501, without foreign weights: rows of ablation.json, each with one change more than the row
before, trained for --minutes of this machine's time with --seeds seeds; the first and the last row for --long minutes as well.

    python3 bench/end_to_end/quality/ablation.py --bin build/release/bin --market $EDGECLIP_DATA/market1501 --out /tmp/ablation

A budget is a number of steps: minutes times the steps per second of a run of --probe steps, which wants an idle machine; the figures of
quality that follow do not, only their time does.  What is done is kept in --out, and a run that was cut off goes on (train --resume).
Needs Python alone.
"""
import argparse, json, os, pathlib, shutil, statistics

import runs

arguments = argparse.ArgumentParser()
arguments.add_argument("--bin", required=True, type=pathlib.Path, help="folder of edgeclip")
arguments.add_argument("--market", required=True, type=pathlib.Path)
arguments.add_argument("--out", required=True, type=pathlib.Path)
arguments.add_argument("--rows", type=pathlib.Path, default=pathlib.Path(__file__).with_name("ablation.json"))
arguments.add_argument("--minutes", type=float, default=3)
arguments.add_argument("--long", type=float, default=8)
arguments.add_argument("--seeds", type=int, default=3)
arguments.add_argument("--probe", type=int, default=90, help="steps that tell the speed of a row, by the median of their last third: images are decoded in the first epoch alone")
arguments.add_argument("--precision", choices=["fp32", "bf16", "auto"], default="auto")
arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
arguments.add_argument("--only-probe", action="store_true", help="measures the speed of all rows and ends")
arguments.add_argument("--json", type=pathlib.Path)
a = arguments.parse_args()
edgeclip = a.bin / "edgeclip"
a.out.mkdir(parents=True, exist_ok=True)
data = runs.prepare(edgeclip, a.threads, a.market, a.out / "dataset")


def rows():
    """(name, options in force): each row has those of the rows before."""
    options = {}
    for row in json.loads(a.rows.read_text()):
        options = {**options, **row["set"]}
        yield row["change"], options


def start(out, options, **more):
    return dict(config=runs.ROOT / "configs/train/person_small.json", data=data, precision=a.precision, **{**options, **more})


def probe(name, options):
    out = a.out / f"{name}.probe"
    shutil.rmtree(out, ignore_errors=True)
    runs.train(edgeclip, a.threads, out, **start(out, options, steps=a.probe, validate_every=10**6))
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    batch = json.loads((out / "run.json").read_text())["options"]["batch"]
    shutil.rmtree(out)
    speeds = [x["images_per_s"] for x in lines if "images_per_s" in x]
    return {"images_per_s": statistics.median(speeds[-len(speeds) // 3:]), "batch": batch}


def budget(minutes, speed):
    return int(minutes * 60 * speed["images_per_s"] / speed["batch"])


def train(name, options, minutes, seed, speed):
    steps = budget(minutes, speed)
    out = a.out / f"{name}-{steps}-{seed}"
    if (out / "run.json").exists():
        runs.train(edgeclip, a.threads, out, resume="latest")
    else:
        shutil.rmtree(out, ignore_errors=True)
        runs.train(edgeclip, a.threads, out, **start(out, options, steps=steps, seed=seed, validate_every=10**6))
    measured = runs.evaluate(edgeclip, a.threads, out / "final", data, "test")
    shutil.rmtree(out)
    return {"steps": steps, "mAP": measured["text_to_image"]["mAP"], "R1": measured["text_to_image"]["R@1"]}


def text(values):
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values) if len(values) > 1 else 0:.2f}"


table = list(rows())
# Results are kept by what they are of, so that rows may come, go and change places.
names = [runs.digest(options, a.precision, a.threads) for _, options in table]
speeds = [runs.once(a.out / f"{name}.speed.json", lambda: probe(name, options)) for name, (_, options) in zip(names, table)]
for (change, _), speed in zip(table, speeds):
    print(f"{speed['images_per_s']:7.1f} images/s  {change}", flush=True)
if a.only_probe:
    raise SystemExit
report = {"cpu": runs.cpu_name(), "threads": a.threads, "precision": a.precision, "rows": []}
print("| | minutes | images/s | steps | mAP | R@1 |\n|---|---|---|---|---|---|", flush=True)
ends = [(0, a.long), (len(table) - 1, a.long)] if a.long else []
for i, minutes in [(i, a.minutes) for i in range(len(table))] + ends:
    change, options = table[i]
    steps = budget(minutes, speeds[i])
    results = [runs.once(a.out / f"{names[i]}-{steps}-{seed}.json", lambda: train(names[i], options, minutes, seed, speeds[i]))
               for seed in range(a.seeds)]
    report["rows"].append({"change": change, "minutes": minutes, **speeds[i], "results": results})
    print(f"| {change} | {minutes:g} | {speeds[i]['images_per_s']:.0f} | {results[0]['steps']} | {text([r['mAP'] for r in results])} | "
          f"{text([r['R1'] for r in results])} |", flush=True)
if a.json:
    a.json.write_text(json.dumps(report, indent=1))
