#!/usr/bin/env python3
"""The unattended pipeline (examples/pipeline.sh: an adapter merged, pruned, distilled, fewer tokens, int8), killed with all its commands at a random moment and run again, ends with the very plan of one that was
left alone; what has a report is not done again; bad input is one line and exit 2."""

import json
import os
import random
import signal
import subprocess
import sys
import time

from support import ROOT, Table, contents, main, remove, run, shown

TIMES = 20
SCRIPT = ROOT / "examples/pipeline.sh"


def body(programs, world, work, arguments):
    table = Table("the unattended pipeline")
    environment = {**os.environ, "EDGECLIP_BIN": str(programs.folder), "OMP_NUM_THREADS": "1"}

    def command(out, *more):
        return [SCRIPT, "--checkpoint", world / "run-adapter/best", "--data", world / "dataset", "--out", out, "--set", "recovery.batch=8", "--set",
                "recovery.steps=40", "--set", "recovery.saving.every_steps=3", "--set", "recovery.precision=fp32", "--token-merging", "3", *more]

    def made(out):
        """Graphs and weights: beside them stand times, and the folders that they were made in."""
        return {name: value for name, value in contents(out / "plan").items() if name.endswith(".plan")}, contents(out / "pruned/model.safetensors")

    whole = work / "whole"
    began = time.monotonic()
    result = run(command(whole), env=environment)
    seconds = time.monotonic() - began
    report = json.loads((whole / "pipeline.json").read_text()) if result.code == 0 else {}
    steps = ["pruned", "bundle", "verified", "quantized", "verified_int8", "plan", "evaluated"]
    table.row("a pipeline that is left alone", result.code == 0 and list(report) == steps, f"{seconds:.1f} s, {shown(result.err)}")
    if result.code != 0:
        return table.end()
    macs = report["pruned"]["macs"]
    table.row("  half of the multiply-accumulates are left", macs["after"] <= 0.5 * macs["before"], f"{macs['after']:.0f} of {macs['before']:.0f}")
    table.row("  tokens are merged", report["bundle"].get("image_tokens") == [9, 6, 6], str(report["bundle"].get("image_tokens")))
    table.row("  its files are verified", report["verified"]["passed"] is True, str(report["verified"].get("passed")))
    expected = made(whole)
    before = contents(whole)
    result = run(command(whole), env=environment)
    after = contents(whole)
    table.row("  run again, nothing is done again", result.code == 0 and before == after, shown(result.err))

    # A check that is not met stays so: its report does not stand for it in the next run.
    fake = work / "fake"
    fake.mkdir()
    (fake / "edgeclip").symlink_to(programs.workshop)
    (fake / "edgeclip-edge").write_text(f"""#!/bin/sh
{programs.edge} "$@"
[ "$1" != verify ] || exit 3
""")
    (fake / "edgeclip-edge").chmod(0o755)
    codes = [run(command(work / "unmet"), env={**environment, "EDGECLIP_BIN": str(fake)}).code for _ in range(2)]
    table.row("a verify that is not met ends it, the second time too", codes == [3, 3] and not (work / "unmet/plan").exists(), str(codes))
    remove(work / "unmet")

    rng = random.Random(arguments.seed)
    kills = 0
    for _ in range(arguments.times):
        out = work / "out"
        moments = [rng.uniform(0.02, 1.0) * seconds for _ in range(2)]
        for moment in moments:
            process = subprocess.Popen([str(c) for c in command(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                       env=environment, start_new_session=True)
            time.sleep(moment)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
            process.communicate()
        result = run(command(out), env=environment)
        same = result.code == 0 and made(out) == expected
        table.row(f"killed after {moments[0]:.2f} s, then after {moments[1]:.2f} s", same, "" if same else shown(result.err))
        remove(out)
    table.row("kills", None, str(kills))

    out = work / "out"
    for what, more in (("another target on the same folder", ["--target-macs", "0.4"]), ("no such dataset", ["--data", work / "nowhere"]),
                       ("a part that is none", ["--alpha", "2"])):
        result = run(command(whole, *more), env=environment)
        table.row(f"{what}: one line", result.code == 2 and len(result.err.strip().splitlines()) == 1, shown(result.err))
    result = run(command(out, "--target-macs", "0.01"), env=environment)
    table.row("a target that cannot be: the command's own line", result.code == 2 and "target_macs" in result.err and not (out / "plan").exists(),
              shown(result.err.strip().splitlines()[-1]))
    return table.end()


if __name__ == "__main__":
    sys.exit(main(__doc__, body, lambda parser: (parser.add_argument("--times", type=int, default=TIMES), parser.add_argument("--seed", type=int, default=1))))
