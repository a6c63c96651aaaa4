"""Times edgeclip-edge beside ONNX Runtime and OpenVINO on the same ONNX files: see inference.sh, which makes what it needs.

Rounds are interleaved: every engine runs some times, then the next one, again and again; what is printed is the median over all,
and the ratio: the fastest peer's time over ours, above 1 where we are faster.  Engines of one precision meet: fp32 by all, bf16
by OpenVINO's hint, int8 by ONNX Runtime's dynamic and static quantization (OpenVINO runs the static file).

--neighbours N adds N processes that spin for ever, and says how much slower than on an idle machine each engine is.  Cold start
is the time from the start of a process to its first result, less (for the peers) an interpreter that has imported NumPy alone.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx

from inputs import make_inputs

HERE = os.path.dirname(os.path.abspath(__file__))


class Ours:
    """`edgeclip-edge run` of a plan: a process per round."""

    def __init__(self, program, plan, graph, threads, inputs, folder):
        self.command = [program, "run", plan, "--threads", str(threads), "--quiet", "--json", os.path.join(folder, "ours.json")]
        if graph:
            self.command += ["--graph", graph]
        for name, array in inputs.items():
            file = os.path.join(folder, f"{len(self.command)}.npy")
            np.save(file, array)
            self.command += ["--input", f"{name}={file}"]
        self.report = os.path.join(folder, "ours.json")
        start = time.perf_counter()
        self.call(["--iterations", "1"])
        self.cold_s = time.perf_counter() - start

    def call(self, options):
        if subprocess.run(self.command + options, stdout=subprocess.DEVNULL).returncode != 0:
            sys.exit(f"failed: {' '.join(self.command + options)}")

    def times(self, runs):
        self.call(["--warmup", "3", "--iterations", str(runs)])
        latency = json.load(open(self.report))["latency_ms"]
        return [latency["median"]] * runs, latency["p99"]

    def close(self):
        """The peak resident set in MB, of a run that is looked at every few milliseconds (see peer.py)."""
        child, peak = subprocess.Popen(self.command + ["--iterations", "30"], stdout=subprocess.DEVNULL), 0
        while child.poll() is None:
            with open(f"/proc/{child.pid}/status") as status:
                peak = max([peak] + [int(line.split()[1]) for line in status if line.startswith("VmHWM:")])
            time.sleep(0.003)
        return peak / 1024


class Refused(Exception):
    pass


class Peer:
    """peer.py, a process that stays."""

    def __init__(self, engine, path, precision, threads, inputs, folder, interpreter_s):
        file = os.path.join(folder, "inputs.npz")
        np.savez(file, **inputs)
        start = time.perf_counter()
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "peer.py"), engine, path, precision, str(threads), file],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready"):
            raise Refused(f"{engine} does not take {os.path.basename(path)}: {line[len('refused '):].strip()}")
        self.cold_s = time.perf_counter() - start - interpreter_s
        self.ask(3)

    def ask(self, runs):
        self.process.stdin.write(f"{runs}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def times(self, runs):
        self.ask(2)  # what the others did to the caches
        times = self.ask(runs)
        return times, float(np.percentile(times, 99))

    def close(self):
        self.process.stdin.close()
        return float(self.process.stdout.readline())


def interpreter_seconds():
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)
    return time.perf_counter() - start


def spin(count):
    return [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=PRECISION=PLAN[:GRAPH]=FILE[,ENGINE:FILE...]",
                        help="what is compared: our plan, and the ONNX files that peers run (FILE by all peers, or by one each)")
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--dim", action="append", default=[], help="NAME=VALUE of a dynamic dimension")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--neighbours", type=int, default=0)
    parser.add_argument("--json")
    args = parser.parse_args()
    dims = {name: int(size) for name, size in (item.split("=") for item in args.dim)}
    interpreter_s = min(interpreter_seconds() for _ in range(3))

    rows = []
    for item in args.model:
        name, precision, plan, files = item.split("=")
        plan, _, graph = plan.partition(":")
        for threads in [int(t) for t in args.threads.split(",")]:
            for batch in [int(b) for b in args.batches.split(",")]:
                engines = {}
                with tempfile.TemporaryDirectory() as folder:
                    first = files.split(",")[0].split(":")[-1]
                    inputs = make_inputs(onnx.load(first, load_external_data=False), batch, dims, np.random.default_rng(batch), end_of_text=49407)
                    engines["ours"] = Ours(args.program, plan, graph, threads, inputs, folder)
                    for file in files.split(","):
                        engine, _, path = file.rpartition(":")
                        for peer in [engine] if engine else ["onnxruntime", "openvino"]:
                            if peer == "onnxruntime" and precision == "bf16":
                                continue  # it has no bfloat16 products on x86
                            label = peer if peer not in engines else f"{peer} {os.path.basename(path)}"
                            try:
                                engines[label] = Peer(peer, path, precision, threads, inputs, folder, interpreter_s)
                            except Refused as refused:
                                print(refused, file=sys.stderr)
                    times = {label: [] for label in engines}
                    p99 = {label: [] for label in engines}
                    busy = {label: [] for label in engines}
                    busy_p99 = {label: [] for label in engines}
                    for _ in range(args.rounds):
                        for label, engine in engines.items():
                            some, high = engine.times(args.runs)
                            times[label] += some
                            p99[label].append(high)
                    if args.neighbours:
                        spinning = spin(args.neighbours)
                        for _ in range(args.rounds):
                            for label, engine in engines.items():
                                some, high = engine.times(args.runs)
                                busy[label] += some
                                busy_p99[label].append(high)
                        for process in spinning:
                            process.kill()
                            process.wait()
                    row = {"model": name, "precision": precision, "threads": threads, "batch": batch, "engines": {}}
                    for label, engine in engines.items():
                        median = statistics.median(times[label])
                        row["engines"][label] = {"median_ms": median, "cold_start_s": engine.cold_s, "peak_rss_mb": engine.close()}
                        if args.neighbours:
                            row["engines"][label]["busy_ratio"] = statistics.median(busy[label]) / median
                            row["engines"][label]["busy_p99_ratio"] = statistics.median(busy_p99[label]) / median
                ours = row["engines"]["ours"]
                peers = {label: values for label, values in row["engines"].items() if label != "ours"}
                row["ratio"] = min(values["median_ms"] for values in peers.values()) / ours["median_ms"]
                rows.append(row)
                text = "  ".join(
                    f"{label} {v['median_ms']:.2f} ms" + (f" (busy {v['busy_ratio']:.1f}x, p99 {v['busy_p99_ratio']:.1f}x)" if args.neighbours else "")
                    + f" {v['peak_rss_mb']:.0f} MB cold {v['cold_start_s']:.2f} s" for label, v in row["engines"].items())
                print(f"{name} {precision} threads={threads} B={batch}: {row['ratio']:.2f}x  {text}", flush=True)
    if args.json:
        json.dump({"cpu": next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), ""),
                   "rows": rows}, open(args.json, "w"), indent=1)


if __name__ == "__main__":
    main()
