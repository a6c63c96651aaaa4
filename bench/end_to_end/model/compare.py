"""CLIP ViT-B/32 trained by edgeclip beside Hugging Face (and PEFT for LoRA): time of forward pass and training step, and
the most memory that each took, in one run, interleaved, medians.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch transformers peft
    cmake --preset release -DEDGECLIP_BENCH=ON && cmake --build --preset release --target edgeclip_model_bench
    /tmp/venv/bin/python bench/end_to_end/model/compare.py --ours build/release/bin/edgeclip_model_bench --json model.json

What is compared is every combination of
    --mode       lora (r 16 on q, k, v, out of both towers) | full (every weight trains)
    --precision  fp32 | bf16 (the peer: torch.autocast over float32 weights, as people run it; edgeclip: its LoRA base is
                 stored in bf16, which is what its products read, unless --base fp32)
    --lengths    equal: every caption has --tokens tokens in both
                 captions: lengths as CLIP's tokenizer finds them in CUHK-PEDES; the peer pads to --tokens with an attention
                 mask, as people run it, edgeclip is given what its loader gives: padded to the batch's longest
Both get the same options (the peer --attention too), each in a process of its own, and speak by lines. After its start a
program prints
    {"ready": true, "versions": {...}, "trainable": <weights that train, may be left out>}
then reads "forward" (no gradients: features of both towers, unit rows, logits), "step" (the same with gradients, symmetric
cross-entropy, backward, AdamW, gradients unset) or "quit", and answers {"seconds": <float>}.
Only one of the two computes at a time: the other waits for its line, with its threads asleep (OMP_WAIT_POLICY=passive).
Memory is VmHWM of /proc/PID/status after all rounds: libraries, weights and what a step needs.
A full run takes some minutes on two cores: --rounds and fewer combinations shorten it.
"""
import argparse, itertools, json, os, platform, random, statistics, subprocess, sys

# Ids of a caption with its two ends, at each twentieth of the distribution: 16,814 captions of CUHK-PEDES (Li et al. 2017,
# arXiv:1702.05729) by CLIP's tokenizer, cut at 77; mean 28.7.
LENGTH_QUANTILES = [15, 20, 21, 21, 22, 23, 23, 24, 25, 25, 26, 27, 28, 29, 30, 32, 33, 36, 40, 47, 77]
PROGRAM_CHOSEN = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # what would slow OpenBLAS down on one side alone

arguments = argparse.ArgumentParser()
arguments.add_argument("--ours", required=True)
arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
arguments.add_argument("--batch", type=int, default=32)
arguments.add_argument("--tokens", type=int, default=77)
arguments.add_argument("--mode", nargs="+", choices=["lora", "full"], default=["lora"])
arguments.add_argument("--precision", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"])
arguments.add_argument("--lengths", nargs="+", choices=["equal", "captions"], default=["equal"])
arguments.add_argument("--base", choices=["fp32", "bf16"], help="how edgeclip stores the base of an adapter; default: --precision")
arguments.add_argument("--attention", default="sdpa")
arguments.add_argument("--rounds", type=int, default=7)
arguments.add_argument("--seed", type=int, default=0, help="of the lengths that are drawn")
arguments.add_argument("--json")
a = arguments.parse_args()
ENVIRONMENT = {**{k: v for k, v in os.environ.items() if k not in PROGRAM_CHOSEN},
               "OMP_NUM_THREADS": str(a.threads), "OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}


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

    def peak_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            try:
                self.process.communicate("quit\n", timeout=30)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()


def cpu():
    """Name, and the instruction sets that decide how matrices are multiplied."""
    name, flags = platform.processor() or platform.machine(), set()
    with open("/proc/cpuinfo") as info:
        for line in info:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags = set(value.split())
    return name, [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16") if f in flags]


def draw_lengths(kind):
    """Tokens of each caption of the batch."""
    if kind == "equal":
        return [a.tokens] * a.batch
    drawn, last = random.Random(a.seed), len(LENGTH_QUANTILES) - 1
    lengths = []
    for _ in range(a.batch):
        at = drawn.random() * last
        low, high = LENGTH_QUANTILES[int(at)], LENGTH_QUANTILES[int(at) + 1]
        lengths.append(min(a.tokens, round(low + (high - low) * (at - int(at)))))
    return lengths


def measure(ours, theirs):
    """Medians of what each side took, and its peak."""
    both, runs = (ours, theirs), {}
    weights = {program.hello["trainable"] for program in both if "trainable" in program.hello}
    if len(weights) > 1:
        sys.exit(f"the sides train different numbers of weights: {sorted(weights)}")
    for what in ("forward", "step"):
        seconds = {program.name: [] for program in both}
        for program in both:
            program.seconds(what)         # warm-up
        for n in range(a.rounds):
            for program in both if n % 2 == 0 else both[::-1]:
                seconds[program.name].append(program.seconds(what))
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        runs[what] = {"edgeclip_seconds": medians["edgeclip"], "peer_seconds": medians["peer"],
                      "ratio": medians["peer"] / medians["edgeclip"], "rounds": seconds}
    peaks = {program.name: program.peak_mb() for program in both}
    return runs, {"edgeclip_mb": peaks["edgeclip"], "peer_mb": peaks["peer"], "ratio": peaks["edgeclip"] / peaks["peer"]}


name, instructions = cpu()
results = {"cpu": name, "instructions": instructions, "threads": a.threads, "batch": a.batch, "tokens": a.tokens,
           "rounds": a.rounds, "versions": {}, "runs": []}
print(f"CLIP ViT-B/32, batch {a.batch}, {a.tokens} tokens, {a.threads} threads, medians of {a.rounds} rounds; "
      f"a step is forward, backward and AdamW\n  {name} ({', '.join(instructions)})")
peer = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer.py")
for mode, precision, kind in itertools.product(a.mode, a.precision, a.lengths):
    lengths = draw_lengths(kind)
    options = ["--threads", str(a.threads), "--mode", mode, "--precision", precision, "--lengths", ",".join(map(str, lengths))]
    base = (a.base or precision) if mode == "lora" else "fp32"
    with Program("edgeclip", a.ours, *options, "--base", base) as ours, \
         Program("peer", sys.executable, peer, *options, "--pad-to", str(a.tokens), "--attention", a.attention) as theirs:
        if not results["versions"]:
            results["versions"] = {program.name: program.hello.get("versions", {}) for program in (ours, theirs)}
            for side, versions in results["versions"].items():
                print(f"  {side}: " + ", ".join(f"{k} {v}" for k, v in versions.items()))
            print(f"\n  {'':28} {'edgeclip':>12} {'peer':>12} {'peer / edgeclip':>17}")
        runs, peak = measure(ours, theirs)
    label = f"{mode} {precision} {kind}"
    for what, run in runs.items():
        print(f"  {label + ' ' + what:28} {run['edgeclip_seconds']:10.4f} s {run['peer_seconds']:10.4f} s {run['ratio']:15.2f} x")
    print(f"  {label + ' peak':28} {peak['edgeclip_mb']:9.0f} MB {peak['peer_mb']:9.0f} MB {1 / peak['ratio']:15.2f} x "
          f"(edgeclip / peer {peak['ratio']:.2f})", flush=True)
    results["runs"].append({"mode": mode, "precision": precision, "base": base, "lengths": kind,
                            "mean_length": statistics.mean(lengths), **runs, "peak": peak})
if a.json:
    with open(a.json, "w") as out:
        json.dump(results, out, indent=2)
