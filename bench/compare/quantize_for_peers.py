"""The int8 models that peers run: ONNX Runtime's own quantization of an ONNX file, as its documentation recommends.

    quantize_for_peers.py MODEL.onnx OUT_DYNAMIC.onnx OUT_STATIC.onnx [NAME=VALUE of a dynamic dimension...]

The static form (Q/DQ, per channel) is calibrated with random inputs: good for times, not for accuracy.
"""
import os
import sys
import tempfile

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from inputs import make_inputs


class Random(CalibrationDataReader):
    def __init__(self, path, dims):
        model, rng = onnx.load(path, load_external_data=False), np.random.default_rng(0)
        self.left = iter([make_inputs(model, 1, dims, rng, end_of_text=49407) for _ in range(4)])

    def get_next(self):
        return next(self.left, None)


def main():
    path, dynamic, static = sys.argv[1:4]
    dims = {name: int(size) for name, size in (item.split("=") for item in sys.argv[4:])}
    with tempfile.TemporaryDirectory() as folder:
        prepared = os.path.join(folder, "prepared.onnx")
        quant_pre_process(path, prepared, skip_symbolic_shape=True)  # it does not get through a text tower
        quantize_dynamic(prepared, dynamic, per_channel=True, weight_type=QuantType.QInt8)
        quantize_static(prepared, static, Random(path, dims), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


if __name__ == "__main__":
    main()
