"""What compare.py and ablation.py share: programs of this project as functions, with the BLAS choice of the machine's environment unset."""
import hashlib, json, os, pathlib, subprocess, sys

PROGRAM_CHOSEN = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # what would slow OpenBLAS down on one side alone
ROOT = pathlib.Path(__file__).resolve().parents[3]


def environment(threads):
    return {**{k: v for k, v in os.environ.items() if k not in PROGRAM_CHOSEN}, "OMP_NUM_THREADS": str(threads)}


def call(command, threads, log=None):
    """stdout of a program; its last lines and the end of everything if it fails."""
    done = subprocess.run([str(c) for c in command], env=environment(threads), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if log is not None:
        log.write_text(done.stderr)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n" + "\n".join(done.stderr.splitlines()[-5:]))
    return done.stdout


def train(edgeclip, threads, out, **options):
    """A run; its report.  options: --set's keys and values, with `config` a file and `init` a checkpoint."""
    command = [edgeclip, "train", "--out", out, "--quiet", "--json", "-", "--threads", threads]
    for key in ("config", "init", "data"):
        if key in options:
            command += [f"--{key}", options.pop(key)]
    for key, value in options.items():
        command += ["--set", f"{key}={json.dumps(value) if not isinstance(value, str) else value}"]
    return json.loads(call(command, threads, pathlib.Path(f"{out}.log")))


def evaluate(edgeclip, threads, checkpoint, data, split):
    return json.loads(call([edgeclip, "evaluate", "--checkpoint", checkpoint, "--data", data, "--split", split, "--quiet", "--json", "-",
                            "--threads", threads], threads))


def prepare(edgeclip, threads, source, out):
    """market1501 as a prepared dataset, if it is not there yet."""
    if not (out / "dataset.json").exists():
        call([edgeclip, "prepare", "--annotations", source / "annotations.json", "--images", source / "images", "--tokenizer",
              "train:2000", "--context-length", 64, "--out", out, "--quiet"], threads)
    return out


def digest(*settings):
    """A name for results of these settings: another one for others."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:10]


def once(path, measure):
    """measure()'s JSON, from path if it is there."""
    if not path.exists():
        value = json.dumps(measure())
        path.with_suffix(".part").write_text(value)
        path.with_suffix(".part").rename(path)
    return json.loads(path.read_text())


def steal_ticks():
    with open("/proc/stat") as stat:
        ticks = [int(x) for x in stat.readline().split()[1:9]]
    return ticks[7], sum(ticks)


def cpu_name():
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return names[0] if names else "unknown"
