#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>
#include <onnx/checker.h>
#include <onnx/onnx_pb.h>
#include <onnx/shape_inference/implementation.h>

#include <limits>
#include <new>

#include "base/mapped_file.h"
#include "onnx/graph_builder.h"
#include "onnx/model.h"

/// ONNX files: reading with limits, checking.
namespace edgeclip::onnx_ir {

namespace {

// Protobuf's own limit: sizes are int.
constexpr std::size_t kMaxModel = std::numeric_limits<int>::max();

std::string one_line(std::string text) {
  std::string out;
  for (const char c : text) {
    if (c != '\n')
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

::onnx::ModelProto read_model(const std::filesystem::path& path) {
  const MappedFile mapped(path);
  if (mapped.size() == 0) invalid_input("{}: is empty, not an ONNX model", path.string());
  if (mapped.size() > kMaxModel)
    invalid_input("{}: is larger than 2 GiB; store its weights as external data", path.string());
  ::onnx::ModelProto model;
  google::protobuf::LogSilencer quiet;  // the exception below says it
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(mapped.data()),
                                            static_cast<int>(mapped.size()));
  in.SetTotalBytesLimit(static_cast<int>(kMaxModel));
  if (!model.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage())
    invalid_input("{}: not an ONNX model, or truncated", path.string());
  if (!model.has_graph() || model.opset_import_size() == 0)
    invalid_input("{}: not an ONNX model (it has no {})", path.string(),
                  model.has_graph() ? "opset_import" : "graph");
  return model;
}

bool check_model(const ::onnx::ModelProto& model, const std::string& where) {
  const int newest = ::onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map().at("").second;
  for (const auto& import : model.opset_import())
    if (import.domain().empty() && import.version() > newest) return false;
  try {
    ::onnx::checker::check_model(model);
    ::onnx::ModelProto copy = model;
    const ::onnx::ShapeInferenceOptions options(/*check_type=*/true, /*strict_mode=*/1, /*data_prop=*/true);
    ::onnx::shape_inference::InferShapes(copy, ::onnx::OpSchemaRegistry::Instance(), options);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    invalid_input("{}: {}", where, one_line(e.what()));
  }
  return true;
}

bool check_model(const Model& model, const std::string& where) {
  ::onnx::ModelProto proto = model.proto;
  ::onnx::GraphProto& graph = *proto.mutable_graph();
  google::protobuf::RepeatedPtrField<::onnx::TensorProto> inside;
  for (auto& tensor : *graph.mutable_initializer()) {
    if (!model.weights.count(tensor.name())) {
      inside.Add()->Swap(&tensor);
      continue;
    }
    auto* input = graph.add_input();
    input->set_name(tensor.name());
    auto* type = input->mutable_type()->mutable_tensor_type();
    type->set_elem_type(tensor.data_type());
    for (const auto dim : tensor.dims()) type->mutable_shape()->add_dim()->set_dim_value(dim);
  }
  graph.mutable_initializer()->Swap(&inside);
  return check_model(proto, where);
}

}  // namespace edgeclip::onnx_ir
