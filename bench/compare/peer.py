"""One model in one peer, in a process of its own, driven by lines on standard input.

    peer.py onnxruntime|openvino MODEL.onnx PRECISION THREADS INPUTS.npz

prints "ready SECONDS" (from the start of this file to the first result), then for each line "N" the milliseconds of N runs as a
JSON list, and at the end of input its peak resident set in MB; or prints "refused WHY" and ends.  PRECISION: fp32, bf16 (OpenVINO only), or int8, for a MODEL that
is quantized already.
"""
import time

START = time.perf_counter()
import json
import sys

import numpy as np


def peak_rss_mb():
    """Not getrusage's ru_maxrss, which begins with what the parent had when it forked."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


def onnxruntime_model(path, precision, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = {value.name for value in session.get_inputs()}
    return lambda inputs: session.run(None, {k: v for k, v in inputs.items() if k in names})


def openvino_model(path, precision, threads, inputs):
    import openvino

    core = openvino.Core()
    core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads,
                              "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32"})
    network = core.read_model(path)
    names = {name for port in network.inputs for name in port.names}
    inputs = {k: v for k, v in inputs.items() if k in names}
    network.reshape({name: list(array.shape) for name, array in inputs.items()})
    request = core.compile_model(network, "CPU").create_infer_request()
    return lambda _: request.infer(inputs)


def main():
    engine, path, precision, threads, file = sys.argv[1:]
    inputs = dict(np.load(file))
    try:
        if engine == "onnxruntime":
            run = onnxruntime_model(path, precision, int(threads))
        else:
            run = openvino_model(path, precision, int(threads), inputs)
        run(inputs)
    except Exception as error:  # of whatever type each engine throws
        print("refused", " ".join(str(error).split())[:160], flush=True)
        return
    print("ready", time.perf_counter() - START, flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run(inputs)
            times.append((time.perf_counter() - start) * 1e3)
        print(json.dumps(times), flush=True)
    print(peak_rss_mb(), flush=True)


if __name__ == "__main__":
    main()
