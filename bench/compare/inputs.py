"""Random inputs of ONNX models, for what compares engines on them."""
import numpy as np
import onnx


def make_inputs(model, batch, dims, rng, end_of_text=None):
    """By name; dynamic dimensions are what dims says of theirs, or the batch.  end_of_text: the last id of each row of ids."""
    constants = {initializer.name for initializer in model.graph.initializer}
    inputs = {}
    for value in model.graph.input:
        if value.name in constants:
            continue
        shape = [d.dim_value if d.dim_value > 0 else dims.get(d.dim_param, batch) for d in value.type.tensor_type.shape.dim]
        kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        if value.name.endswith("mask"):
            inputs[value.name] = np.ones(shape, kind)
        elif np.issubdtype(kind, np.integer):
            inputs[value.name] = rng.integers(1, 400, shape).astype(kind)
            if end_of_text is not None:
                inputs[value.name][..., -1] = end_of_text
        else:
            inputs[value.name] = rng.standard_normal(shape).astype(kind)
    return inputs
