"""Times `edgeclip-edge run` beside ONNX Runtime and OpenVINO on the same ONNX files, and compares the outputs.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy onnx onnxruntime openvino
    cmake --preset edge && cmake --build --preset edge --target edgeclip-edge
    /tmp/venv/bin/python bench/compare/models.py --program build/edge/bin/edgeclip-edge MODEL.onnx...

Every model runs in float32 with random inputs (dynamic dimensions: the batch, or what `--dim NAME=VALUE` says of them). Rounds are interleaved, one after the other of
the three; what is printed is the median of all timed runs, and the ratio: the faster peer's time over ours. "differs" is the largest
difference from ONNX Runtime's outputs over (1e-4 + 1e-4 |reference|): up to 1 is equal within 1e-4.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
import openvino

from inputs import make_inputs


def timed(run, runs):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+")
    parser.add_argument("--program", required=True)
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--dim", action="append", default=[], help="NAME=VALUE of a dynamic dimension, repeatable")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--json")
    args = parser.parse_args()
    dims = {name: int(size) for name, size in (item.split("=") for item in args.dim)}

    rows = []
    for path in args.models:
        model = onnx.load(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        ort = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        core = openvino.Core()
        core.set_property("CPU", {"INFERENCE_NUM_THREADS": args.threads, "INFERENCE_PRECISION_HINT": "f32"})
        network = core.read_model(path)
        for batch in [int(b) for b in args.batches.split(",")]:
            inputs = make_inputs(model, batch, dims, np.random.default_rng(batch))
            reference = ort.run(None, inputs)
            network.reshape({name: list(array.shape) for name, array in inputs.items()})
            request = core.compile_model(network, "CPU").create_infer_request()
            with tempfile.TemporaryDirectory() as folder:
                command = [args.program, "run", path, "--threads", str(args.threads), "--warmup", "3", "--quiet",
                           "--iterations", str(args.runs), "--out", os.path.join(folder, "out"), "--overwrite",
                           "--json", os.path.join(folder, "report.json")]
                for name, array in inputs.items():
                    file = os.path.join(folder, "in%d.npy" % len(command))
                    np.save(file, array)
                    command += ["--input", f"{name}={file}"]
                times = {"ours": [], "onnxruntime": [], "openvino": []}
                differs, failed = 0.0, None
                for _ in range(args.rounds):
                    timed(lambda: ort.run(None, inputs), 3)
                    times["onnxruntime"] += timed(lambda: ort.run(None, inputs), args.runs)
                    timed(lambda: request.infer(inputs), 3)
                    times["openvino"] += timed(lambda: request.infer(inputs), args.runs)
                    done = subprocess.run(command, capture_output=True, text=True)
                    if done.returncode != 0:
                        failed = done.stderr.strip().splitlines()[-1]
                        break
                    times["ours"].append(json.load(open(os.path.join(folder, "report.json")))["latency_ms"]["median"])
                if failed is None:
                    for value, expected in zip(model.graph.output, reference):
                        given = np.load(os.path.join(folder, "out", value.name.replace("/", "_") + ".npy"))
                        if given.dtype.kind == "f":
                            bound = 1e-4 + 1e-4 * np.abs(expected)
                            differs = max(differs, float((np.abs(given - expected) / bound).max()))
                        elif not np.array_equal(given, expected):
                            differs = float("inf")
            row = {"model": os.path.basename(path), "batch": batch, "failed": failed, "differs": differs}
            for name, values in times.items():
                row[name] = statistics.median(values) if values else None
            row["ratio"] = None if failed else min(row["onnxruntime"], row["openvino"]) / row["ours"]
            rows.append(row)
            print(f"{row['model']:<34} B={batch} " + (failed or " ".join(
                f"{name} {row[name]:8.2f}" for name in times) + f"  ratio {row['ratio']:.2f}  differs {differs:.3f}"), flush=True)
    if args.json:
        json.dump(rows, open(args.json, "w"), indent=1)


if __name__ == "__main__":
    main()
