#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "builder/precision/quantize_tables.h"
#include "builder/quantize/quant_math.h"

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace edgeclip::builder {

/// A MatMul whose right input is a float32 matrix (K, N) among the initializers, or a Conv whose filters (M, C / group,
/// kernel...) are; a Conv that reads an input of the graph is none: what it sees is what calibration knows least of.
struct QuantizableProduct {
  int node = 0;  ///< index in the graph
  bool convolution = false;
  std::string name;        ///< of the node
  std::string activation;  ///< ONNX name of its left input
  std::string weights;     ///< ONNX name of its right input
};

/// All of them in the graph's order, but those whose node name or weight name contains one of `exclude`.
std::vector<QuantizableProduct> find_quantizable(const ::onnx::ModelProto& model,
                                                 const std::vector<std::string>& exclude);

/// Rewrites those whose activation has an entry in `activations`:
///   x ─► QuantizeLinear ─► DequantizeLinear ─► MatMul ◄─ DequantizeLinear(axis 1, of a Conv 0) ◄─ W int8
/// Activations and weights with several readers are quantized once; float32 weights that nobody reads any
/// more go. External data is taken in; everything else stays as it was.  bits: 7 or 8, see
/// quantize_weights().  Returns how many were rewritten.  file: where the model was read, for
/// external data and messages.  means: by activation, for which the bias that an Add behind a MatMul adds becomes corrected_bias();
/// without such an Add there is nothing to correct.  Throws InvalidInput if its opset is older than 13 (no scales per column).
int insert_qdq(::onnx::ModelProto& model, const std::map<std::string, ActivationScale>& activations,
               const std::vector<std::string>& exclude, int bits, const std::filesystem::path& file,
               const std::map<std::string, std::vector<float>>& means = {});

struct Int8WeightsOptions {
  bool layers = true;                ///< products' and convolutions' weights; false: tables, and of convolutions patch embeddings
  std::vector<std::string> exclude;  ///< as find_quantizable() takes it
  int bits = 8;                      ///< quantize_weights(), of layers
  std::int64_t smallest_table = kSmallestInt8Table;  ///< elements
};
struct Int8Weights {
  int products = 0, convolutions = 0, tables = 0;
};

/// Stores weights as int8, with float32 arithmetic behind them as far as ONNX says it:
///   W int8 ─► DequantizeLinear(a scale per column, of a Conv per filter) ─► MatMul | Conv
///   A patch embedding is a Conv that cuts an input of the graph into patches: kernel and stride are the same, without padding.
///   table int8 ─► DequantizeLinear(a scale per row) ─► Gather (axis 0), of smallest_table elements or more
/// What a runtime does with the activations is its own: a plan of int8 finds a scale for every row as it comes.  Throws as
/// insert_qdq().
Int8Weights store_int8_weights(::onnx::ModelProto& model, const Int8WeightsOptions& options,
                               const std::filesystem::path& file);

}  // namespace edgeclip::builder
