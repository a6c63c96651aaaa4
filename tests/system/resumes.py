#!/usr/bin/env python3
"""A training that is killed at a random moment and goes on ends with the very weights of one that was left alone.

Killed in a step, in a save, in a validation or before anything was saved; with one and two threads of the loader, a moving average, a loss with weights of
its own, dropout, parts of a batch.  Then a disk that fills up in the middle of a save: the state before it is whole and is gone on from."""

import random
import signal
import sys
import time
from pathlib import Path

from support import SmallDisk, Table, contents, main, names, remove, run, shown, start

STEPS, TIMES = 40, 20
OPTIONS = ["--steps", STEPS, "--batch", 8, "--micro-batch", 3, "--validate-every", 17, "--seed", 4, "--precision", "fp32", "--threads", 1,
           "--set", "saving.every_steps=3", "--set", "saving.keep=2", "--set", "average.decay=0.9", "--set", "losses.identity.weight=0.5",
           "--set", "augment.color_jitter.brightness=0.2", "--set", 'model.visual_projection={"model_type":"mlp","dropout":0.1}']


def weights(folder):
    """Of best and final, and the state but for the validation's times."""
    found = {name: contents(folder / name / "model.safetensors") for name in ("best", "final")}
    return found | {"state": contents(folder / "state.safetensors")}


def body(programs, world, work, arguments):
    table = Table("killed and resumed")
    times = arguments.times

    def command(out, threads, *more):
        return [programs.workshop, "train", "--config", world / "tiny.json", "--data", world / "dataset", "--out", out, *OPTIONS,
                "--set", f"loading.threads={threads}", "--quiet", *more]

    whole = work / "whole"
    began = time.monotonic()
    result = run(command(whole, 1))
    seconds = time.monotonic() - began
    table.row("a run that is left alone", result.code == 0, f"{seconds:.1f} s, {shown(result.err)}")
    expected = weights(whole)

    rng = random.Random(arguments.seed)
    moments = []
    for k in range(times):
        out, threads = work / f"run{k}", 1 + k % 2
        process = start(command(out, threads))
        moment = rng.uniform(0.02, 1.0) * seconds
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        state = (out / "state.safetensors").exists()
        result = run([*command(out, threads), "--resume", "latest"])
        same = result.code == 0 and weights(out) == expected
        moments.append(state)
        table.row(f"killed after {moment:.2f} s, {threads} threads of the loader, {'a' if state else 'no'} state", same, "" if same else shown(result.err))
        left = [name for name in names(out) if name.startswith(".")]
        table.row("  and nothing is left over", not left, " ".join(left))
        remove(out)
    table.row("some were killed before the first save, most after it", None, f"{moments.count(False)} and {moments.count(True)}")

    # A disk of its own that is full after some saves.
    with SmallDisk(work / "disk", "12m") as disk:
        if not disk.there:
            table.row("a disk that fills up", None, "skipped: no right to mount")
            return table.end()
        out = disk.folder / "run"
        process = start(command(out, 1))
        while process.poll() is None and not (out / "state.safetensors").exists():
            time.sleep(0.02)
        disk.fill()
        _, err = process.communicate()
        table.row("a disk that fills up in the middle ends the run", process.returncode == 4, shown(err.decode()))
        disk.free()
        result = run([*command(out, 1), "--resume"])
        table.row("  and the state before is gone on from", result.code == 0 and weights(out) == expected, shown(result.err))
    return table.end()


if __name__ == "__main__":
    sys.exit(main(__doc__, body, lambda parser: (parser.add_argument("--times", type=int, default=TIMES), parser.add_argument("--seed", type=int, default=1))))
