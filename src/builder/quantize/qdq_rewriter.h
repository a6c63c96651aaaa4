#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "builder/quantize/quant_math.h"
#include "onnx/unique_names.h"

namespace edgeclip::builder {

/// Throws InvalidInput if the model's opset is older than 13.
void require_scales_per_channel(const ::onnx::ModelProto& model, const std::filesystem::path& file);

/// Writes the nodes of an ONNX graph anew, some of them behind (Quantize- and) DequantizeLinear.  Names stay unique; activations and
/// weights with several readers are quantized once.
class QdqRewriter {
 public:
  /// file: where the model was read, for external data and messages; it is not written.  Throws as require_scales_per_channel().
  QdqRewriter(::onnx::ModelProto& model, const std::filesystem::path& file);

  /// The name of the activation behind Quantize- and DequantizeLinear, whose nodes come before what is added next.
  std::string activation(const std::string& name, const ActivationScale& scale);
  /// The name of the float32 initializer behind a DequantizeLinear of int8 with a scale along `axis` (the first or the last).
  /// bits: see quantize_weights().
  std::string weights(const std::string& name, int axis, int bits);
  /// The name of a copy of the initializer `bias` that is corrected_bias() for weights() of `weights`, (K, N).
  std::string bias(const std::string& bias, const std::string& weights, int bits, const std::vector<float>& mean);
  void add(::onnx::NodeProto node) { *nodes_.Add() = std::move(node); }
  /// The nodes that were added take the place of the graph's; float32 weights that nobody reads any more go, external data is taken
  /// in: the new file lies in another folder.
  void finish();

 private:
  std::string constant(const std::string& name, const Tensor& tensor);
  Tensor read(const std::string& initializer) const;
  ::onnx::NodeProto node(const std::string& op, const std::vector<std::string>& inputs, const std::string& output);

  ::onnx::ModelProto& model_;
  const std::filesystem::path file_;
  onnx_ir::UniqueNames names_;
  std::map<std::string, const ::onnx::TensorProto*> initializers_;
  std::map<std::string, std::string> dequantized_;
  std::set<std::string> replaced_;  ///< weights
  std::vector<::onnx::TensorProto> constants_;
  google::protobuf::RepeatedPtrField<::onnx::NodeProto> nodes_;
};

}  // namespace edgeclip::builder
