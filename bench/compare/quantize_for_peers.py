"""The int8 models that peers run: ONNX Runtime's own quantization of an ONNX file, as its documentation recommends.

    quantize_for_peers.py MODEL.onnx OUT_DYNAMIC.onnx OUT_STATIC.onnx [NAME=VALUE of a dynamic dimension...]

The static form (Q/DQ, per channel) is calibrated with random inputs: good for times, not for accuracy.
"""
import os
import sys
import tempfile

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from inference import make_inputs


class Random(CalibrationDataReader):
    def __init__(self, path, dims):
        self.left = iter([make_inputs(path, batch, dims) for batch in (1, 1, 1, 1)])

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
