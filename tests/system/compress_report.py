#!/usr/bin/env python3
"""compress-report, killed at random moments and run again, ends with the very models of one that was left alone, and does nothing twice; an
interrupt is passed on; bad input is one line and exit 2 before anything is trained."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from support import Table, main, remove, run, shown

TIMES = 12
TRAIN = ["steps=24", "batch=8", "precision=fp32", "saving.every_steps=3", "model.vision.num_hidden_layers=2"]
CONFIG = {
    "queries": 8, "rounds": 2,
    "networks": {
        "teacher": {"set": TRAIN},
        "student": {"teacher": "teacher", "set": [*TRAIN, "losses.distillation.weight=0.3"]},
        "pruned": {"command": "prune", "from": "student", "teacher": "teacher",
                   "set": ["target_macs=0.6", "recovery.steps=12", "recovery.batch=8", "recovery.precision=fp32", "recovery.saving.every_steps=3",
                           "recovery.losses.distillation.weight=0.3"]}},
    "rows": [{"name": "teacher", "network": "teacher"}, {"name": "student", "network": "student", "seeds": 2},
             {"name": "student, bf16", "network": "student", "precision": "bf16"},
             {"name": "pruned, fewer tokens, static int8", "network": "pruned", "token_merging": [4], "quantize": "static"},
             {"name": "pruned, dynamic int8", "network": "pruned", "quantize": "dynamic"}]}


def body(programs, world, work, arguments):
    table = Table("compress-report")

    def command(out, config=CONFIG, *more):
        file = work / "config.json"
        file.write_text(json.dumps(config))
        return [programs.workshop, "compress-report", "--config", file, "--data", world / "dataset", "--out", out, "--threads", "1", *more]

    def made(out):
        """What depends neither on the time nor on the folder, which provenance names: graphs and weights by their step, and the scores."""
        files = {str(p.relative_to(out)): p.read_bytes() for p in (out / "steps").rglob("*.plan")}
        rows = json.loads((out / "report.json").read_text())["rows"]
        return files, [(row["name"], row["text_to_image"], row["image_to_text"], row["macs"], row["verify"]) for row in rows]

    def steps(out):
        return {p.parent.name: p.stat().st_mtime_ns for p in (out / "steps").glob("*/report.json")}

    whole = work / "whole"
    began = time.monotonic()
    result = run(command(whole))
    seconds = time.monotonic() - began
    table.row("a report that is left alone", result.code == 0, f"{seconds:.1f} s, {shown(result.err)}")
    if result.code != 0:
        return table.end()
    rows = json.loads((whole / "report.json").read_text())["rows"]
    table.row("  it has a row for each", [row["name"] for row in rows] == [row["name"] for row in CONFIG["rows"]])
    weights = {p.read_bytes() for p in (whole / "steps").glob("train-*/out/final/model.safetensors")}
    table.row("  a teacher and two different students were trained", len(weights) == 3 and rows[1]["seeds"] == 2)
    expected, before = made(whole), steps(whole)
    result = run(command(whole))
    table.row("  run again, nothing is done again", result.code == 0 and steps(whole) == before, shown(result.err))
    second = work / "second"
    shutil.copytree(whole, second, copy_function=shutil.copy2)
    more = {**CONFIG, "rows": [*CONFIG["rows"], {"name": "teacher, fp16", "network": "teacher", "precision": "fp16"}]}
    result = run(command(second, more))
    new = sorted(name.split("-")[0] for name in set(steps(second)) - set(before))
    wanted = sorted(["bench"] * 2 * len(more["rows"]) + ["build", "evaluate", "verify"])
    table.row("  one row more is all that is made, and all are timed in turn", result.code == 0 and new == wanted, str(new))
    remove(next((whole / "steps").glob("export-*")) / "out")
    result = run(command(whole))
    table.row("  an artifact that is gone is made again", result.code == 0 and made(whole) == expected, shown(result.err) if result.code else "")
    pruned = next((whole / "steps").glob("prune-*"))
    (pruned / "report.json").unlink()
    log = (pruned / "log").stat().st_mtime_ns
    result = run(command(whole))
    table.row("  a pruning that had ended, but for its report, is not done again",
              result.code == 0 and made(whole) == expected and (pruned / "log").stat().st_mtime_ns == log, shown(result.err) if result.code else "")
    moved = work / "moved"
    whole.rename(moved)
    result = run(command(moved))
    table.row("  a folder that was moved serves as it did", result.code == 0 and made(moved) == expected, shown(result.err) if result.code else "")

    rng = random.Random(arguments.seed)
    kills = 0
    for _ in range(arguments.times):
        out = work / "out"
        for moment in (rng.uniform(0.02, 0.95) * seconds, rng.uniform(0.02, 0.95) * seconds):
            process = subprocess.Popen([str(c) for c in command(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                       start_new_session=True)
            time.sleep(moment)
            if process.poll() is None:
                # Its command is a process group of its own, and dies with it.
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            process.wait()
        result = run(command(out))
        table.row(f"killed at {moment:.1f} s and once before, run again", result.code == 0 and made(out) == expected, shown(result.err) if result.code else "")
        remove(out)
    table.row("kills that found it at work", kills >= arguments.times, str(kills))

    for name, number in (("SIGTERM", signal.SIGTERM), ("Ctrl-C, to all of the terminal", signal.SIGINT)):
        out = work / "interrupted"
        process = subprocess.Popen([str(c) for c in command(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                   start_new_session=True)
        while not (trained := list((out / "steps").glob("train-*/out/run.json"))) and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.5)
        os.killpg(process.pid, number)
        err = process.communicate(timeout=60)[1]
        left = subprocess.run(["pgrep", "-f", str(out)], stdout=subprocess.PIPE).stdout
        said = (trained[0].parent.parent / "log").read_text() if trained else ""
        table.row(f"{name}: exit 130, and the command at work saves and ends", process.returncode == 130 and not left and "interrupt" in said, shown(err[-200:]))
        result = run(command(out))
        table.row("  run again, it is the same", result.code == 0 and made(out) == expected, shown(result.err) if result.code else "")
        remove(out)

    def refused(name, change, remedy, out=work / "refused"):
        config = json.loads(json.dumps(CONFIG))
        change(config)
        result = run(command(out, config))
        trained = [p for p in (out / "steps").glob("train-*")] if (out / "steps").exists() else []
        table.row(name, result.code == 2 and result.one_line() and remedy in result.err and not trained, f"{result.code} {shown(result.message())}")
        remove(out)

    refused("a key of train that is none", lambda c: c["networks"]["student"]["set"].append("optimizer.lrr=1"), "lrr")
    refused("a key of a training that goes on with another", lambda c: c["networks"].update(further={"from": "student", "set": ["optimizer.lrr=1"]}), "lrr")
    refused("a value of prune that is none", lambda c: c["networks"]["pruned"]["set"].append("target_macs=7"), "target_macs")
    refused("a network that is none", lambda c: c["rows"][0].update(network="teacherr"), "did you mean")
    refused("a network made from itself", lambda c: c["networks"]["teacher"].update(teacher="student"), "made from itself")
    refused("a checkpoint that is not there", lambda c: c["networks"].update(given={"checkpoint": "/nowhere"}), "/nowhere")
    refused("a split without images", lambda c: c.update(split="nothing"), "nothing")
    refused("no rows", lambda c: c.update(rows=[]), "rows")
    other = work / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    result = run(command(other))
    table.row("a folder of something else", result.code == 2 and (other / "notes.txt").read_text() == "mine", shown(result.message()))
    first = subprocess.Popen([str(c) for c in command(work / "two")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    result = run(command(work / "two"))
    table.row("two in one folder", result.code == 2 and "another process" in result.err, shown(result.message()))
    first.send_signal(signal.SIGTERM)
    first.wait()
    return table.end()


if __name__ == "__main__":
    def options(parser):
        parser.add_argument("--times", type=int, default=TIMES)
        parser.add_argument("--seed", type=int, default=1)
    sys.exit(main(__doc__, body, options))
