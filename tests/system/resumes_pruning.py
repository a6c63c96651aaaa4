#!/usr/bin/env python3
"""A pruning that is killed at a random moment and goes on ends with the very weights of one that was left alone.

Killed while the scores are computed (then nothing is to resume, and the same command starts anew), in a step of the recovery, in a save, in a validation,
while the result is written and while what it was made from is removed; by SIGKILL, and by SIGINT, which ends it with 130.  Then a disk that fills up."""

import random
import signal
import sys
import time

from support import SmallDisk, Table, contents, main, names, remove, run, shown, start

TIMES = 20
OPTIONS = ["--set", "recovery.steps=40", "--set", "recovery.batch=8", "--set", "recovery.micro_batch=3", "--set", "recovery.validate_every=17", "--set",
           "recovery.seed=4", "--set", "recovery.precision=fp32", "--set", "recovery.saving.every_steps=3", "--set", "recovery.average.decay=0.9", "--set",
           "recovery.losses.identity.weight=0.5", "--threads", 1, "--quiet"]


def weights(out):
    return contents(out / "model.safetensors")


def body(programs, world, work, arguments):
    table = Table("prunings that are killed and resumed")

    def command(out):
        return [programs.workshop, "prune", "--checkpoint", world / "run/best", "--data", world / "dataset", "--out", out, *OPTIONS]

    def resume(out):
        return [programs.workshop, "prune", "--resume", "--out", out, "--threads", 1, "--quiet"]

    whole = work / "whole"
    began = time.monotonic()
    result = run(command(whole))
    seconds = time.monotonic() - began
    table.row("a pruning that is left alone", result.code == 0 and names(work) == ["whole"], f"{seconds:.1f} s, {shown(result.err)}")
    expected = weights(whole)
    result = run(resume(whole))
    table.row("  and nothing of it is to resume", result.code == 2 and result.one_line(), shown(result.err))

    def attack(out, beside, what, when, number):
        """when(process): waits for the moment."""
        process = start(command(out))
        when(process)
        process.send_signal(number)
        process.communicate()
        if (beside / "run/state.safetensors").exists():
            stage = "resumed"
        elif (beside / "prune.json").exists():
            stage = "recovered from the beginning"
        else:
            stage = "finished" if out.exists() else "started anew"
        stages[stage] += 1
        good = number == signal.SIGKILL or process.returncode in (0, 130)
        if stage != "finished":
            result = run(command(out) if stage == "started anew" else resume(out))
            good = good and result.code == 0
        same = good and weights(out) == expected
        table.row(f"{signal.Signals(number).name} {what}: {stage}", same, "" if same else shown(result.err))
        # What was to be removed when it was killed goes with the next that writes there.
        left = [name for name in names(work) + names(out) if name.startswith(".") and not (stage == "finished" and number == signal.SIGKILL)]
        table.row("  and nothing is left over", not left and not beside.exists(), " ".join(left))
        for path in work.iterdir():
            if path != whole:
                remove(path)

    rng = random.Random(arguments.seed)
    stages = {"started anew": 0, "recovered from the beginning": 0, "resumed": 0, "finished": 0}
    out, beside = work / "out", work / "out.recovery"
    for k in range(arguments.times):
        moment = rng.uniform(0.02, 1.0) * seconds
        attack(out, beside, f"after {moment:.2f} s", lambda process: time.sleep(moment), signal.SIGINT if k % 4 == 3 else signal.SIGKILL)

    # The steps between which little time passes: as soon as one is seen, and a little later.
    for seen in (beside / "prune.json", beside / "run/run.json", beside / "run/best", beside / "run/final", work / ".out.edgeclip-tmp/recovery", out):
        for later in (0, 0.002, 0.01):

            def when(process):
                while process.poll() is None and not seen.exists():
                    pass
                time.sleep(later)

            attack(out, beside, f"{later:.3f} s after {seen.relative_to(work)} is there", when, signal.SIGKILL)
    table.row("stages", None, ", ".join(f"{stage} {count}" for stage, count in stages.items()))

    # What it was started with holds, and an interrupted one is not dropped unasked.
    process = start(command(out))
    while process.poll() is None and not (beside / "run/state.safetensors").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for what, more in (("another part to be removed", ["--mlp-ratio", "0.4"]), ("another recovery", ["--set", "recovery.batch=4"]),
                       ("another checkpoint", ["--checkpoint", world / "run-adapter/best"])):
        result = run([*resume(out), *more])
        table.row(f"{what} on resume: one line", result.code == 2 and result.one_line(), shown(result.message()))
    result = run(command(out))
    table.row("the same command without --resume: one line", result.code == 2 and result.one_line(), shown(result.message()))
    result = run([programs.edge, "inspect", beside])
    table.row("inspect knows what lies there", result.code == 0 and "interrupted pruning" in result.out, shown(result.message()))
    result = run(resume(out))
    table.row("and it goes on", result.code == 0 and weights(out) == expected, shown(result.err))
    result = run([programs.workshop, "report", "--out", work / "page.html", out / "recovery", "--quiet"])
    table.row("report shows the run that it was", result.code == 0, shown(result.message()))
    for path in work.iterdir():
        remove(path)

    # A disk of its own that is full after some saves.
    with SmallDisk(work / "disk", "24m") as disk:
        if not disk.there:
            table.row("a disk that fills up", None, "skipped: no right to mount")
            return table.end()
        out, beside = disk.folder / "out", disk.folder / "out.recovery"
        process = start(command(out))
        while process.poll() is None and not (beside / "run/state.safetensors").exists():
            time.sleep(0.001)
        disk.fill()
        _, err = process.communicate()
        table.row("a disk that fills up in the recovery ends it", process.returncode == 4 and not out.exists(), shown(err.decode()))
        disk.free()
        result = run(resume(out))
        table.row("  and it goes on from the state before", result.code == 0 and weights(out) == expected, shown(result.err))
    return table.end()


if __name__ == "__main__":
    sys.exit(main(__doc__, body, lambda parser: (parser.add_argument("--times", type=int, default=TIMES), parser.add_argument("--seed", type=int, default=1))))
