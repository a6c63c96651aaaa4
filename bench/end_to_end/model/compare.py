"""CLIP ViT-B/32 with LoRA in edgeclip beside Hugging Face and PEFT: forward and training step, fp32 and bf16, one run,
interleaved, medians.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch transformers peft
    cmake --preset release -DEDGECLIP_BENCH=ON && cmake --build --preset release --target edgeclip_model_bench
    /tmp/venv/bin/python bench/end_to_end/model/compare.py --ours build/release/bin/edgeclip_model_bench --json model.json

Both get the same options (the peer --attention too) and speak by lines. After its start a program prints
    {"ready": true, "versions": {...}, "trainable": <adapter weights, may be left out>}
then reads "forward" (no gradients: features of both towers, unit rows, logits), "step" (the same with gradients, symmetric
cross-entropy, backward to the adapter, whose gradients start unset; no optimizer) or "quit", and answers {"seconds": <float>}.
Only one of the two computes at a time: the other waits for its line, with its threads asleep (OMP_WAIT_POLICY=passive).
A full run takes some minutes on two cores: --rounds, --precision and --batch shorten it.
"""
import argparse, json, os, statistics, subprocess, sys

arguments = argparse.ArgumentParser()
arguments.add_argument("--ours", required=True)
arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
arguments.add_argument("--batch", type=int, default=32)
arguments.add_argument("--tokens", type=int, default=77)
arguments.add_argument("--precision", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"])
arguments.add_argument("--attention", default="sdpa")
arguments.add_argument("--rounds", type=int, default=7)
arguments.add_argument("--json")
a = arguments.parse_args()
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": str(a.threads), "OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}


class Program:
    """A process that computes when it is asked to, and waits otherwise."""

    def __init__(self, name, *command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        self.hello = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def seconds(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.read()["seconds"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            try:
                self.process.communicate("quit\n", timeout=30)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()


results = {"threads": a.threads, "batch": a.batch, "tokens": a.tokens, "rounds": a.rounds, "versions": {}, "runs": []}
print(f"CLIP ViT-B/32, LoRA r 16 on q, k, v, out of both towers; batch {a.batch}, {a.tokens} tokens, {a.threads} threads, "
      f"medians of {a.rounds} rounds")
for precision in a.precision:
    options = ["--threads", str(a.threads), "--batch", str(a.batch), "--tokens", str(a.tokens), "--precision", precision]
    peer = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer.py")
    with Program("edgeclip", a.ours, *options) as ours, \
         Program("PEFT", sys.executable, peer, *options, "--attention", a.attention) as theirs:
        both = (ours, theirs)
        if not results["versions"]:
            results["versions"] = {program.name: program.hello.get("versions", {}) for program in both}
            for name, versions in results["versions"].items():
                print(f"  {name}: " + ", ".join(f"{k} {v}" for k, v in versions.items()))
            print(f"\n  {'':14} {'edgeclip':>12} {'PEFT':>12} {'PEFT / edgeclip':>17}")
        weights = [program.hello["trainable"] for program in both if "trainable" in program.hello]
        if len(set(weights)) > 1:
            sys.exit(f"the adapters differ: {weights[0]} and {weights[1]} weights")
        for what in ("forward", "step"):
            seconds = {program.name: [] for program in both}
            for program in both:
                program.seconds(what)         # warm-up
            for n in range(a.rounds):
                for program in both if n % 2 == 0 else both[::-1]:
                    seconds[program.name].append(program.seconds(what))
            medians = {name: statistics.median(values) for name, values in seconds.items()}
            ratio = medians["PEFT"] / medians["edgeclip"]
            print(f"  {precision + ' ' + what:14} {medians['edgeclip']:10.4f} s {medians['PEFT']:10.4f} s {ratio:15.2f} x", flush=True)
            results["runs"].append({"precision": precision, "what": what, "edgeclip_seconds": medians["edgeclip"],
                                    "peft_seconds": medians["PEFT"], "ratio": ratio, "rounds": seconds})
if a.json:
    json.dump(results, open(a.json, "w"), indent=2)
