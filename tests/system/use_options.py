"""Cases of found_by_use.py: options that are taken, roots, and what messages say."""

import csv
import json
import os
import re

from support import ROOT, place, run

cases = []


def case(function):
    cases.append(function)
    return function


def card(checkpoint):
    path = checkpoint / "config.json"
    return json.loads(path.read_text()).get("card", {}) if path.exists() else {}


@case
def image_options(case):
    """Taken, or refused: never recorded and dropped."""
    w = case.world
    train = [case.workshop, "train", "--data", w / "dataset", "--set", "batch=4", "--set", "steps=1"]
    values = [("image.height=64", "height", 64), ("image.exif=apply", "exif", "apply"), ("image.filter=nearest", "filter", "nearest")]
    for number, (setting, key, value) in enumerate(values):
        out = case.folder / f"init-{number}"
        result = run([*train, "--init", w / "run/best", "--set", setting, "--out", out])
        taken = card(out / "best").get("image", {}).get(key) == value
        case.check(f"train --init --set {setting}", result, result.code == 2 or taken, "taken" if taken else "")
    out = case.folder / "scratch"
    result = run([*train, "--config", w / "tiny.json", "--set", "image.height=128", "--out", out])
    taken = card(out / "best").get("image", {}).get("height") == 128
    case.check("train --set image.height=128 from scratch", result, result.code == 2 or taken, "taken" if taken else "")


@case
def lora_options(case):
    w = case.world
    train = [case.workshop, "train", "--data", w / "dataset", "--set", "batch=4", "--set", "steps=1", "--set", "lora.rank=4"]
    out = case.folder / "adapter"
    result = run([*train, "--init", w / "run/best", "--out", out])
    taken = (out / "best/adapter_config.json").exists()
    case.check("train --init --set lora.rank=4", result, result.code == 2 or taken, "an adapter" if taken else "")
    result = run([*train, "--config", w / "tiny.json", "--out", case.folder / "scratch"])
    case.check("train --set lora.rank=4 from scratch", result, result.code == 2)
    result = run([case.workshop, "train", "--data", w / "dataset", "--init", w / "run/best", "--set",
                  "model.vision.num_hidden_layers=2", "--out", case.folder / "model"])
    case.check("train --init --set model...", result, result.code == 2 and "architecture" in result.message())


@case
def names_of_splits(case):
    rows = json.loads((case.world / "images.json").read_text())[:280]
    for split in ("val", "valid", "validation", "dev"):
        table = case.folder / f"{split}.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "id", "caption", "split"])
            writer.writerows([[row["file_path"], row["id"], row["captions"][0], split if i % 5 == 0 else "train"]
                              for i, row in enumerate(rows)])
        out, report = case.folder / f"dataset-{split}", case.folder / "report.json"
        result = run([case.workshop, "prepare", "--annotations", table, "--images", case.world / "images", "--tokenizer",
                      case.world / "dataset/tokenizer", "--out", out, "--json", report])
        lost = json.loads(report.read_text())["unusable_records"] if report.exists() else None
        case.check(f"prepare of a CSV with the split \"{split}\"", result, result.code == 0 and lost == 0,
                   f"{lost} of 280 records lost")
        if report.exists():
            report.unlink()


@case
def roots(case):
    """Data that moved: the message names --image-root, which helps."""
    w, edge, workshop = case.world, case.edge, case.workshop
    old, new = case.folder / "photos", case.folder / "moved"
    place(w / "images", old)
    dataset, gallery = case.folder / "dataset-here", case.folder / "gallery-here"
    run([workshop, "prepare", "--annotations", w / "images.json", "--images", old, "--tokenizer", w / "dataset/tokenizer",
         "--out", dataset])
    run([edge, "index", "--plan", w / "plan", "--images", old, "--out", gallery])
    os.rename(old, new)
    train = ["--config", w / "tiny.json", "--data", dataset]
    commands = [
        ("search --grid", [edge, "search", "--plan", w / "plan", "--gallery", gallery, "--text", "a man", "--grid",
                           case.folder / "grid.png"]),
        ("evaluate", [edge, "evaluate", "--plan", w / "plan", "--data", dataset]),
        ("bench", [edge, "bench", "--plan", w / "plan", "--data", dataset, "--queries", "8"]),
        ("index of a dataset", [edge, "index", "--plan", w / "plan", "--images", dataset, "--out", case.folder / "again"]),
        ("quantize --data", [edge, "quantize", "--method", "static", "--bundle", w / "bundle", "--samples", "4", "--data",
                             dataset, "--out", case.folder / "int8"]),
        ("train", [workshop, "train", *train, "--out", case.folder / "run"]),
        ("prune", [workshop, "prune", "--checkpoint", w / "run/best", "--data", dataset, "--set", "recovery.steps=1", "--set",
                   "recovery.batch=4", "--out", case.folder / "pruned"]),
    ]
    for name, command in commands:
        result = run(command)
        case.check(f"{name}, its images moved", result, "--image-root" in result.err)
        result = run([*command, "--image-root", new])
        case.check(f"{name} --image-root", result, result.code == 0)


@case
def models_and_runs(case):
    w, edge, workshop = case.world, case.edge, case.workshop
    result = run([edge, "search", "--plan", w / "plan", "--gallery", w / "gallery-int8", "--text", "a man"])
    message = result.message()
    case.check("search of an int8 gallery with the fp32 plan", result,
               result.code == 2 and "int8" in message and "fp32" in message and not re.search("[0-9a-f]{32}", message))
    result = run([workshop, "evaluate", "--checkpoint", w / "run", "--data", w / "dataset"])
    case.check("evaluate --checkpoint RUN", result, result.code == 0 or "run/best" in result.message())

    out = case.folder / "run"
    epochs = ["--config", w / "tiny.json", "--set", "steps=0"]
    run([workshop, "train", *epochs, "--epochs", "2", "--data", w / "dataset", "--out", out])
    result = run([workshop, "train", *epochs, "--epochs", "2", "--resume", "--out", out])
    case.check("train --resume without --data", result, result.code == 0)
    result = run([workshop, "train", *epochs, "--epochs", "3", "--resume", "--data", w / "dataset", "--out", out])
    case.check("train --resume --epochs 3 on a finished run of 2", result,
               result.code == 0 or (result.code == 2 and "--init" in result.message()))
    captions = case.folder / "captions"
    run([workshop, "prepare", "--no-images", "--annotations", w / "images.json", "--tokenizer", w / "dataset/tokenizer",
         "--out", captions])
    result = run([workshop, "train", "--config", w / "tiny.json", "--data", captions, "--out", case.folder / "no"])
    case.check("train on a dataset without images", result, result.code == 2 and "--no-images" in result.message())
    result = run([workshop, "synthesize", "--people", "30", "--out", case.folder / "drawn"])
    case.check("synthesize --people 30", result, result.code == 0)


@case
def annotation_files(case):
    w, workshop = case.world, case.workshop
    rows = json.loads((w / "images.json").read_text())[:40]
    prepare = [workshop, "prepare", "--images", w / "images", "--tokenizer", w / "dataset/tokenizer"]
    table = case.folder / "headless.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([[row["file_path"], row["captions"][0]] for row in rows])
    result = run([*prepare, "--annotations", table, "--split", "0.2", "--out", case.folder / "a"])
    case.check("prepare of a CSV without a header", result, result.code == 0 or "header" in result.message())
    lines = case.text("records.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    result = run([*prepare, "--annotations", lines, "--out", case.folder / "b"])
    case.check("prepare of JSON lines", result, result.code == 0)


@case
def values(case):
    w, edge = case.world, case.edge
    build = [edge, "build", "--bundle", w / "bundle-int8", "--out", case.folder / "plan"]
    result = run([*build, "--set", 'precision="int8"'])
    case.check("--set precision='\"int8\"'", result, result.code == 0)
    result = run([*build, "--set", 'precision="int9"'])
    case.check("a value in quotes that is not one of the choices", result, result.code == 2 and '""' not in result.message())
    for name, text in (("a list", "[1, 2]"), ("a number", "3")):
        path = case.text("arr.json", text)
        result = run([edge, "search", "--config", path, "--text", "a"])
        case.check(f"--config with {name}", result, result.code == 2 and ": :" not in result.message())
    for program in (edge, case.workshop):
        result = run([program])
        told = result.out + result.err
        case.check(f"bare {program.name}", result, result.code == 2 and "COMMAND" in told)
    result = run([edge, "inspect", w / "run-adapter/best"])
    longest = max(map(len, result.out.splitlines() or [""]))
    case.check("inspect of a checkpoint", result, result.code == 0 and longest <= 300, f"longest line {longest}")


@case
def queries(case):
    w, edge = case.world, case.edge
    search = [edge, "search", "--plan", w / "plan", "--gallery", w / "gallery", "--top", "3"]
    picture = case.folder / "x.jpg"
    result = run([*search, "--text", "a man", "--grid", picture])
    is_jpeg = picture.exists() and picture.read_bytes()[:2] == b"\xff\xd8"
    case.check("--grid x.jpg", result, is_jpeg or result.code == 2, "" if is_jpeg or result.code == 2 else "no JPEG there")
    result = run([*search, "--text", "a man in a red jacket and blue trousers " * 12])
    case.check("a query longer than the context", result, result.code == 0 and re.search(r"cut|longer", result.err))
    for name, text in (("an emoji", "a man \U0001f600"), ("Japanese", "赤い服の男")):
        result = run([*search, "--text", text])
        case.check(f"a query with {name}, which the vocabulary lacks", result,
                   result.code == 0 and re.search(r"unknown|vocabulary", result.err))


@case
def pages(case):
    w, edge, workshop = case.world, case.edge, case.workshop
    run([edge, "search", "--plan", w / "plan", "--gallery", w / "gallery", "--text", "a man in red", "--grid",
         case.folder / "search-1.png"])
    evaluate, bench = case.folder / "evaluate.json", case.folder / "bench.json"
    run([edge, "evaluate", "--plan", w / "plan", "--data", w / "dataset", "--json", evaluate])
    result = run([edge, "bench", "--plan", w / "plan", "--data", w / "dataset", "--queries", "50", "--json", bench])
    text = bench.read_text() if bench.exists() else ""
    case.check("bench tells anonymous from mapped memory", result, "anonymous" in text and "mapped" in text)
    page = case.folder / "page.html"
    result = run([workshop, "report", "--out", page, case.folder / "search-1.png", evaluate, bench])
    html = page.read_text() if page.exists() else ""
    case.check("report's sections are not titled by file names", result, html and not re.search(r"<h\d[^>]*>search-1<", html))
    case.check("report has a chart of accuracy and latency", result, "<svg" in html)
    result = run([ROOT / "scripts/find_vtest.sh", case.folder])
    video = result.out.strip()
    if result.code == 0 and video:
        result = run([edge, "index", "--plan", w / "plan", "--images", video, "--out", case.folder / "of-a-video", "--frame-step",
                      "100"])
        case.check("index of a video says that it takes whole frames", result,
                   result.code == 0 and "whole frames" in result.err + result.out)
