#!/usr/bin/env python3
"""Two processes train one model: like one process, ending together whatever happens to one of them, and going on exactly.

A killed, a stopped (SIGSTOP) and a failing rank end the other within 30 s, which names it; a signal to one ends both with everything kept; ranks that are given
different data or options are refused; and after kills of one or both at random moments the resumed run ends with the very weights of one that was left alone."""

import json
import os
import random
import signal
import socket
import struct
import sys
import time

from resumes import weights
from support import Table, finish, main, remove, run, shown, start

OPTIONS = ["--steps", 40, "--batch", 8, "--seed", 4, "--precision", "fp32", "--threads", 1,
           "--set", "saving.every_steps=3", "--set", "average.decay=0.9", "--set", "losses.identity.weight=0.5"]
LIMIT = 30


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def floats(path):
    """{name: values} of a safetensors file's float32 tensors."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            found[name] = struct.unpack(f"<{(end - begin) // 4}f", data[8 + length + begin:8 + length + end])
    return found


def validations(run):
    """(step, loss to 4 digits, R@1 and mAP of both directions to 2) of each, and the best step."""
    found = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "val" in entry:
            found.append((entry["step"], round(entry["val"]["loss"], 4),
                          *(round(entry["val"][way][key], 2) for way in ("text_to_image", "image_to_text") for key in ("R@1", "mAP"))))
    return found


def body(programs, world, work, arguments):
    table = Table("two processes")

    def command(out, *more, data=world / "dataset", every=17):
        return [programs.workshop, "train", "--config", world / "tiny.json", "--data", data, "--out", out, *OPTIONS, "--validate-every", every, "--quiet", *more]

    def both(out, *more, second=(), second_data=world / "dataset", every=17):
        """The two processes, started."""
        variables = {**os.environ, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": str(free_port())}
        return [start([*command(out, *more, data=second_data if rank else world / "dataset", every=every), *(second if rank else ())], env={**variables, "RANK": str(rank)}) for rank in range(2)]

    def until_trained(out, processes, steps=5):
        log = out / "metrics.jsonl"
        while all(process.poll() is None for process in processes) and (not log.exists() or log.read_text().count("\n") < steps):
            time.sleep(0.01)

    def results(processes, timeout=120):
        return [finish(process, timeout) for process in processes]

    one = run(command(work / "one"))
    began = time.monotonic()
    first, second = results(both(work / "two"))
    seconds = time.monotonic() - began
    table.row("two processes", first.code == 0 and second.code == 0 and second.err == "" and second.out == "", f"{seconds:.1f} s {shown(first.err + second.err)}")
    a, b = floats(work / "one/final/model.safetensors"), floats(work / "two/final/model.safetensors")
    apart = max(abs(x - y) for name in a for x, y in zip(a[name], b[name]) if "k_proj.bias" not in name)
    table.row("  have the weights of one process after 40 steps", one.code == 0 and apart < 1e-5, f"largest difference {apart:.1e}")
    table.row("  and its validations, R@1 for R@1", validations(work / "one") == validations(work / "two"), str(validations(work / "two"))[:90])
    expected = weights(work / "two")

    for what, rank in (("killed", 1), ("killed", 0), ("stopped", 1), ("stopped", 0)):
        out = work / f"{what}{rank}"
        processes = both(out)
        until_trained(out, processes)
        processes[rank].send_signal(signal.SIGKILL if what == "killed" else signal.SIGSTOP)
        since = time.monotonic()
        other = finish(processes[1 - rank], 90)
        took = time.monotonic() - since
        table.row(f"rank {rank} is {what}: the other ends within {LIMIT} s and names it",
                  other.code == 4 and took < LIMIT and f"rank {rank}" in other.err, f"{took:.1f} s: {shown(other.message() or other.err)}")
        processes[rank].kill()
        processes[rank].communicate()
        first, second = results(both(out, "--resume", "latest"))
        table.row("  and both go on exactly", first.code == 0 and weights(out) == expected, shown(first.err + second.err))

    processes = both(work / "paused")
    until_trained(work / "paused", processes)
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    time.sleep(27)
    for process in processes:
        process.send_signal(signal.SIGCONT)
    first, second = results(processes)
    table.row("a job that was suspended for 27 s goes on", first.code == second.code == 0 and weights(work / "paused") == expected, shown(first.err + second.err))

    processes = both(work / "signal")
    until_trained(work / "signal", processes)
    processes[1].send_signal(signal.SIGINT)
    first, second = results(processes)
    table.row("a signal to one ends both", first.code == 130 and second.code == 130, shown(first.err + second.err))
    first, second = results(both(work / "signal", "--resume"))
    table.row("  and both go on exactly", first.code == 0 and weights(work / "signal") == expected, shown(first.err + second.err))

    # Most of the time of such a run is a validation's.
    began = time.monotonic()
    results(both(work / "often", every=1))
    lasted, often_expected = time.monotonic() - began, weights(work / "often")
    rng = random.Random(arguments.seed)
    for k in range(arguments.times):
        out = work / f"signal_{k}"
        processes = both(out, every=1)
        until_trained(out, processes, steps=2)
        time.sleep(rng.uniform(0, 0.4) * lasted)
        processes[k % 2].send_signal(signal.SIGINT)
        first, second = results(processes)
        table.row(f"a signal to rank {k % 2} at any moment ends both, and says so", first.code == second.code == 130,
                  f"{first.code} {second.code} {shown(first.err + second.err, 80)}")
        first, second = results(both(out, "--resume", "latest", every=1))
        table.row("  and both go on exactly", first.code == 0 and weights(out) == often_expected, shown(first.err + second.err))
        remove(out)

    run([programs.workshop, "synthesize", "--out", work / "other_data", "--people", 20, "--test-people", 4, "--val-people", 4, "--tokenizer", "train:200",
         "--context-length", 32, "--seed", 9])
    for what, more in (("options", {"second": ["--set", "optimizer.lr=0.5"]}), ("data", {"second_data": work / "other_data"})):
        first, second = results(both(work / f"different_{what}", **more))
        table.row(f"ranks with different {what} are refused", first.code == second.code == 2 and "rank 1 has other " + what in first.err.replace("another dataset", "other data"),
                  shown(first.message() + " | " + second.message()))
    result = run(command(work / "odd", "--set", "batch=7"), env={**os.environ, "RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": str(free_port())}, timeout=90)
    table.row("a rank that does not come is named", result.code == 4 and "rank 1 of 2 has not come" in result.err, shown(result.message()))

    for k in range(arguments.times):
        out = work / f"killed_{k}"
        processes = both(out)
        moment = rng.uniform(0.05, 1.0) * seconds
        time.sleep(moment)
        for process in processes if k % 2 else processes[k // 2 % 2:][:1]:
            process.send_signal(signal.SIGKILL)
        results(processes)
        first, second = results(both(out, "--resume", "latest"))
        same = first.code == 0 and second.code == 0 and weights(out) == expected
        table.row(f"{'both' if k % 2 else 'one'} killed after {moment:.2f} s, resumed", same, "" if same else shown(first.err + second.err))
        remove(out)
    return table.end()


if __name__ == "__main__":
    sys.exit(main(__doc__, body, lambda parser: (parser.add_argument("--times", type=int, default=6), parser.add_argument("--seed", type=int, default=2))))
