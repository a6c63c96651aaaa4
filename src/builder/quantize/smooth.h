#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "builder/quantize/calibration.h"
#include "engine/graph/graph.h"

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace edgeclip::builder {

/// New values of constants by their names.
using ChangedConstants = std::map<std::string, Tensor>;

/// What makes activations even: of a value x behind a LayerNorm a factor for each channel (place of its last
/// axis),
///   s_j = max |x_j|^alpha / max_n |W_jn|^(1 - alpha),
/// over what was seen of x and over all products by W that read it, by which x is divided and the rows of W
/// are multiplied.  A channel whose values are far larger than the others' takes the steps of all; its rows
/// of W, which have a scale per column, can bear it. G. Xiao et al., "SmoothQuant", arXiv:2211.10438, eq. 4.
/// graph: as imported.  most: largest magnitudes seen by channel, of values by name.  Of these, the values of
/// which the factors can go into constants:
///   LayerNormalization(·, w, b) | Add(Mul(·, w), b) ─► x ─► MatMul(W) ...   ⇒   w / s, b / s; s W
/// Left alone: values that anything but products by constant matrices reads, or the graph gives, and
/// constants that others read.
std::map<std::string, std::vector<float>> smoothing_factors(
    const engine::Graph& graph, const std::map<std::string, std::vector<float>>& most, double alpha);

/// The constants that carry the factors (TensorCalibration::smooth; what has none stays): the graph
/// computes the same but for rounding.  Throws InvalidInput (where) for factors of a value that cannot take
/// them: they are of another model.
ChangedConstants smoothed_constants(const engine::Graph& graph,
                                    const std::map<std::string, TensorCalibration>& tensors,
                                    const std::string& where);

void set_constants(engine::Graph& graph, const ChangedConstants& changed);
/// Throws InvalidInput (where) if one of them is no initializer.
void set_constants(::onnx::ModelProto& model, const ChangedConstants& changed, const std::string& where);

}  // namespace edgeclip::builder
