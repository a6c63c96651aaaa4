#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/tensor.h"

namespace edgeclip::onnx_ir {

/// A model whose weights lie beside its message, in memory of their own: protobuf would copy them in, once more for each
/// checker and once more for writing, and cannot hold 2 GiB.
struct Model {
  ::onnx::ModelProto proto;               ///< initializers without data are those of weights
  std::map<std::string, Tensor> weights;  ///< by the initializer's name
};

/// The message with all data in it: for those who rewrite a model, whose weights are copied.  InternalError above 2 GiB.
::onnx::ModelProto whole(const Model& model);

/// Where a file's weights are: in it, as long as ONNX's limit of 2 GiB allows it ("auto"), or in a file beside it, PATH.data, whatever
/// their size ("always").
enum class ExternalData { kAuto, kAlways };

/// Writes it through a temporary name, weights straight from where they lie; with external data first the file beside it, in
/// which each starts at a multiple of 4096 bytes so that a reader may map it.  Returns the bytes of all that was written.
std::uint64_t write_model(const std::filesystem::path& path, const Model& model,
                          ExternalData external = ExternalData::kAuto);

/// As check_model() of a message.  What a checker wants to know of weights is type and shape, so for it these are inputs.
bool check_model(const Model& model, const std::string& where);

}  // namespace edgeclip::onnx_ir
