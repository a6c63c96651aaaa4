#!/usr/bin/env python3
"""SIGHUP, SIGINT and SIGTERM, mixed, at 50 random moments of each long command: exit 130 within a bounded time, outputs
whole or absent, no other file.  Ten of the moments lie in the first second, when libraries are still being loaded."""

import json
import random
import signal
import statistics
import sys
import time

from support import Table, contents, finish, main, place, remove, run, shown, start, strays

# Whoever starts this by nohup has SIGHUP ignored, which the commands would inherit and keep to.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
# Before this the loader has not reached the program at all, and nothing can be promised.
EARLIEST_S = 0.03
MOST_SECONDS_TO_END = 20


class Command:
    """make(out): the command line.  check(out, code): what is wrong with what is left, "" if nothing.  old: an artifact that
    is there in every second trial."""

    def __init__(self, name, make, check, old=None, allowed=("out",)):
        self.name, self.make, self.check, self.old, self.allowed = name, make, check, old, allowed


def opened(programs, path):
    is_gallery = (path / "gallery.json").exists()
    result = run([programs.edge, "gallery", "verify", "--gallery", path] if is_gallery else [programs.edge, "inspect", path])
    return "" if result.code == 0 else f"{path.name} is not whole: {result.message()}"


def commands(programs, world):
    edge, workshop, w = programs.edge, programs.workshop, world

    def artifact(out, code):
        if not out.exists():
            return "exit 0, but no output" if code == 0 else ""
        return opened(programs, out)

    def gallery(out, code):
        fault = artifact(out, code)
        for path in (out, out.with_name(".out.edgeclip-partial")):
            if fault or not path.exists():
                continue
            fault = opened(programs, path)
            complete = json.loads((path / "gallery.json").read_text())["complete"]
            old = contents(path) == contents(w / "gallery-long")
            if not old and complete != (code == 0):
                fault = f"exit {code}, but \"complete\" is {complete} in {path.name}"
        return fault

    def training(out, code):
        if not out.exists():
            return "exit 0, but no run" if code == 0 else ""
        hidden = strays(out, ["run.json", "metrics.jsonl", "tensorboard", "examples.json", "state.safetensors", "best", "final"])
        faults = [f"leaves {hidden} in the run"] if hidden else []
        faults += [opened(programs, path) for path in (out, out / "best", out / "final") if path.exists()]
        return "; ".join(fault for fault in faults if fault)

    def pruning(out, code):
        """What it goes on with is whole, and is gone once the result is there."""
        beside = out.with_name("out.recovery")
        if not beside.exists():
            return artifact(out, code)
        if code == 0:
            return "exit 0, but out.recovery is there"
        hidden = strays(beside, ["prune.json", "pruned", "run"])
        faults = [f"leaves {hidden} in out.recovery"] if hidden else []
        faults += [opened(programs, path) for path in (beside, beside / "run/best", beside / "run/final", out) if path.exists()]
        return "; ".join(fault for fault in faults if fault)

    def report(out, code):
        if not out.exists():
            return "exit 0, but no report" if code == 0 else ""
        return "" if code == 0 and json.loads(out.read_text()) else f"exit {code}, but a report is there"

    def measured(out, code):
        """What was measured until the signal."""
        if not out.exists():
            return "exit 0, but no report" if code == 0 else ""
        return "" if json.loads(out.read_text()).get("interrupted", False) == (code != 0) else f"exit {code}, but the report says otherwise"

    def arrays(out, code):
        if not out.exists():
            return "exit 0, but no output" if code == 0 else ""
        return opened(programs, out / "image.npy") if (out / "image.npy").exists() else "a folder without image.npy"

    again = lambda program, command: programs.overwrite(program, command)
    yield Command("prepare", lambda out: [
        workshop, "prepare", "--annotations", w / "images.json", "--images", w / "images", "--out", out, "--tokenizer",
        "train:800", *again(workshop, "prepare")], artifact)
    yield Command("synthesize", lambda out: [
        workshop, "synthesize", "--out", out, "--people", "1000", "--test-people", "20", "--val-people", "20",
        *again(workshop, "synthesize")], artifact, w / "dataset")
    yield Command("train", lambda out: [
        workshop, "train", "--config", w / "tiny.json", "--data", w / "dataset", "--out", out, "--set", "steps=300",
        "--set", "validate_every=50", "--overwrite"], training, w / "run")
    yield Command("prune", lambda out: [
        workshop, "prune", "--checkpoint", w / "run/best", "--data", w / "dataset", "--out", out, "--set",
        "recovery.steps=100", "--set", "recovery.batch=4", *again(workshop, "prune")], pruning, w / "run/best",
        ("out", "out.recovery"))
    yield Command("index", lambda out: [
        edge, "index", "--plan", w / "plan", "--images", w / "long.txt", "--out", out, *again(edge, "index")], gallery,
        w / "gallery-long", ("out", ".out.edgeclip-partial"))
    yield Command("evaluate", lambda out: [
        workshop, "evaluate", "--checkpoint", w / "run/best", "--data", w / "prepared", "--split", "train", "--json", out],
        report)
    yield Command("bench", lambda out: [
        edge, "bench", "--plan", w / "plan", "--data", w / "dataset", "--queries", "6000", "--json", out], measured)
    yield Command("encode", lambda out: [
        edge, "encode", "--plan", w / "plan", "--images", w / "long.txt", "--out", out], arrays)


def trial(command, folder, number, moment, with_old):
    """One signal at one moment: (exit code, seconds it took to end, faults)."""
    remove(folder)
    folder.mkdir()
    out = folder / "out"
    if with_old:
        place(command.old, out)
    before = contents(out)
    process = start(command.make(out))
    begin = time.monotonic()
    try:
        process.wait(moment)
    except Exception:
        pass
    ended = process.poll() is not None
    if not ended:
        process.send_signal(number)
    sent = time.monotonic()
    result = finish(process, 120)
    took, faults = time.monotonic() - sent, []
    if result.code not in ((0,) if ended else (0, 130)):
        faults.append(f"exit {result.code} {result.message() or shown(result.err, 80)}")
    if result.code == 130 and not result.one_line():
        faults.append(f"not one line: {result.err}")
    if took > MOST_SECONDS_TO_END:
        faults.append(f"ends after {took:.1f} s")
    fault = command.check(out, result.code)
    if fault:
        faults.append(fault)
    if with_old and not out.exists():
        faults.append("the older output is gone")
    if with_old and command.name not in ("train",) and result.code == 130 and contents(out) != before:
        faults.append("the older output was replaced by an unfinished one")
    left = strays(folder, command.allowed)
    if left:
        faults.append(f"leaves {left}")
    return result.code, took, faults, sent - begin


def prepare_world(programs, world):
    """What the commands need beside the fixture, made once."""
    for out, command in (
            ("prepared", [programs.workshop, "prepare", "--annotations", world / "images.json", "--images", world / "images",
                          "--out", world / "prepared", "--tokenizer", "train:400", "--context-length", "32"]),
            ("gallery-long", [programs.edge, "index", "--plan", world / "plan", "--images", world / "long.txt", "--out",
                              world / "gallery-long"])):
        if not (world / out).exists():
            result = run(command)
            if result.code != 0:
                sys.exit(f"interrupts: {out}: {result.err}")


def attack(table, command, work, arguments, random_numbers):
    full = run(command.make(fresh(work / "full")), timeout=600)
    if full.code != 0:
        return table.row(command.name, False, f"alone: exit {full.code}: {full.message()}")
    codes, took, bad, early = {}, [], [], None
    for i in range(arguments.moments):
        last = min(1.0, full.seconds) if i < arguments.moments // 5 else full.seconds
        moment = random_numbers.uniform(EARLIEST_S, last)
        number = SIGNALS[i % len(SIGNALS)]
        with_old = command.old is not None and i % 2 == 1
        code, seconds, faults, sent = trial(command, work / "trial", number, moment, with_old)
        codes[code] = codes.get(code, 0) + 1
        took.append(seconds)
        if code == 0 and moment < full.seconds * 0.5:
            faults.append("exit 0 although it had not finished")
        if code == 130:
            early = sent if early is None else min(early, sent)
        if faults:
            bad.append(f"{signal.Signals(number).name} at {moment:.3f} s{', older' if with_old else ''}: {'; '.join(faults)}")
    told = " ".join(f"{count}×{code}" for code, count in sorted(codes.items()))
    table.row(command.name, not bad, f"{full.seconds:.1f} s alone; exits {told}; earliest 130 at "
              f"{-1 if early is None else early:.3f} s; ends within {statistics.median(took):.2f} s, at most {max(took):.2f} s")
    for fault in bad[:8]:
        print("       " + shown(fault, 220))
    if len(bad) > 8:
        print(f"       and {len(bad) - 8} more")


def fresh(folder):
    remove(folder)
    folder.mkdir()
    return folder / "out"


def body(programs, world, work, arguments):
    table = Table(f"interrupts: {arguments.moments} moments of each command, seed {arguments.seed}")
    prepare_world(programs, world)
    for command in commands(programs, world):
        if not arguments.commands or command.name in arguments.commands:
            attack(table, command, work, arguments, random.Random(f"{arguments.seed} {command.name}"))
    return table.end()


def options(parser):
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--commands", nargs="*", help="only these")


if __name__ == "__main__":
    sys.exit(main(__doc__, body, options))
