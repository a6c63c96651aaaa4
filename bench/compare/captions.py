"""Captions one at a time, each at its own length, beside peers that run the text tower at its 77 tokens.

    captions.py --program build/edge/bin/edgeclip-edge --plan PLAN --captions FILE.json MODEL.onnx...

FILE: a JSON list of texts. Ours is `encode --batch 1` of all of them less one of a single text, by their number: tokenizer, search for
the shape and copying included. Peers: ONNX Runtime and OpenVINO where they take the model, the run alone. Rounds are interleaved;
medians, and the ratio: the fastest peer's time over ours.
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

from inputs import make_inputs
from peer import onnxruntime_model, openvino_model


def peers(path, threads, inputs):
    """(name, run) of each engine that takes the model."""
    for name, engine in {"onnxruntime": lambda: onnxruntime_model(path, "int8", threads),
                         "openvino": lambda: openvino_model(path, "int8", threads, inputs)}.items():
        try:
            model = engine()
            model(inputs)
        except Exception as error:  # of whatever type each engine throws
            print(f"{name} does not take {os.path.basename(path)}: {' '.join(str(error).split())[:160]}")
            continue
        yield f"{name} {os.path.basename(path)}", lambda model=model: model(inputs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+")
    parser.add_argument("--program", required=True)
    parser.add_argument("--plan", required=True)
    parser.add_argument("--captions", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=40)
    args = parser.parse_args()
    captions = json.load(open(args.captions))

    with tempfile.TemporaryDirectory() as folder:
        def encode(texts):
            file, out = os.path.join(folder, "texts.json"), os.path.join(folder, "out")
            json.dump(texts, open(file, "w"))
            start = time.perf_counter()
            subprocess.run([args.program, "encode", "--plan", args.plan, "--texts", file, "--out", out, "--batch", "1",
                            "--threads", str(args.threads), "--quiet"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seconds = time.perf_counter() - start
            subprocess.run(["rm", "-rf", out], check=True)
            return seconds

        inputs = make_inputs(onnx.load(args.models[0], load_external_data=False), 1, {"tokens": 77}, np.random.default_rng(1),
                             end_of_text=49407)
        others = [peer for path in args.models for peer in peers(path, args.threads, inputs)]
        ours, theirs = [], {name: [] for name, _ in others}
        for _ in range(args.rounds):
            ours.append(1e3 * (encode(captions) - encode(captions[:1])) / (len(captions) - 1))
            for name, run in others:
                for i in range(args.runs + 3):
                    start = time.perf_counter()
                    run()
                    if i >= 3:
                        theirs[name].append(1e3 * (time.perf_counter() - start))
        mean, medians = statistics.median(ours), {name: statistics.median(times) for name, times in theirs.items()}
        print(f"{min(medians.values()) / mean:.2f}x  ours {mean:.2f} ms for each of {len(captions)} captions, at their lengths; at 77 tokens: "
              + ", ".join(f"{name} {ms:.2f} ms" for name, ms in medians.items()))


if __name__ == "__main__":
    main()
