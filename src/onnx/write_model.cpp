#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <limits>

#include "base/atomic_output.h"
#include "base/error.h"
#include "onnx/graph_builder.h"
#include "onnx/model.h"

/// Models whose weights are written from where they lie.  A message is its fields one behind the other, each a tag, a length and
/// bytes, in any order (protobuf.dev/programming-guides/encoding): what protobuf has of the model is written by it, and the
/// weights' initializers follow as further fields of the graph.
namespace edgeclip::onnx_ir {

namespace {

using ::google::protobuf::internal::WireFormatLite;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::TensorProto;

constexpr std::size_t kMaxModel = std::numeric_limits<int>::max();  ///< protobuf's sizes are int
constexpr std::size_t kPage = 4096;

/// Tag and length of a field of bytes.
std::string field_head(int number, std::uint64_t length) {
  std::string head;
  {
    google::protobuf::io::StringOutputStream stream(&head);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.WriteVarint32(WireFormatLite::MakeTag(number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
    out.WriteVarint64(length);
  }
  return head;
}

std::string serialized(const google::protobuf::MessageLite& message) {
  std::string bytes;
  EDGECLIP_CHECK(message.SerializeToString(&bytes));
  return bytes;
}

/// What stands before a weight's data in the graph: all of its initializer but the data.
std::string initializer_head(const TensorProto& proto, std::uint64_t bytes) {
  const std::string fields = serialized(proto), data = field_head(TensorProto::kRawDataFieldNumber, bytes);
  return field_head(GraphProto::kInitializerFieldNumber, fields.size() + data.size() + bytes) + fields + data;
}

/// The model without its graph, and the graph without the initializers of weights, which are moved to `apart`.
struct Parts {
  ModelProto model;
  std::vector<TensorProto> apart;

  explicit Parts(const Model& from) : model(from.proto) {
    GraphProto& graph = *model.mutable_graph();
    google::protobuf::RepeatedPtrField<TensorProto> inside;
    for (TensorProto& tensor : *graph.mutable_initializer())
      if (from.weights.count(tensor.name()))
        apart.push_back(tensor);
      else
        inside.Add()->Swap(&tensor);
    graph.mutable_initializer()->Swap(&inside);
    EDGECLIP_CHECK(apart.size() == from.weights.size(), "{} weights for {} initializers", from.weights.size(), apart.size());
  }
};

void write_inside(const std::filesystem::path& path, const Parts& parts, const Model& model, std::uint64_t graph_bytes) {
  ModelProto outside = parts.model;
  outside.clear_graph();
  AtomicFile out(path);
  out.write(serialized(outside));
  out.write(field_head(ModelProto::kGraphFieldNumber, graph_bytes));
  out.write(serialized(parts.model.graph()));
  for (const TensorProto& proto : parts.apart) {
    const Tensor& weight = model.weights.at(proto.name());
    out.write(initializer_head(proto, weight.bytes()));
    out.write(weight.raw(), weight.bytes());
  }
  out.commit();
}

std::uint64_t write_beside(const std::filesystem::path& path, const Parts& parts, const Model& model) {
  ModelProto proto = parts.model;
  std::filesystem::path beside = path;
  beside += ".data";
  AtomicFile data(beside);
  for (const TensorProto& head : parts.apart) {
    const Tensor& weight = model.weights.at(head.name());
    data.pad_to(kPage);
    TensorProto& tensor = *proto.mutable_graph()->add_initializer();
    tensor = head;
    tensor.set_data_location(TensorProto::EXTERNAL);
    const auto note = [&](const char* key, const std::string& value) {
      auto* entry = tensor.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    note("location", beside.filename().string());
    note("offset", std::to_string(data.offset()));
    note("length", std::to_string(weight.bytes()));
    data.write(weight.raw(), weight.bytes());
  }
  const std::uint64_t bytes = data.offset();
  data.commit();
  AtomicFile out(path);
  const std::string text = serialized(proto);
  out.write(text);
  out.commit();
  return bytes + text.size();
}

}  // namespace

std::uint64_t write_model(const std::filesystem::path& path, const Model& model, ExternalData external) {
  const Parts parts(model);
  std::uint64_t graph_bytes = parts.model.graph().ByteSizeLong();
  for (const TensorProto& proto : parts.apart) {
    const std::uint64_t bytes = model.weights.at(proto.name()).bytes();
    graph_bytes += initializer_head(proto, bytes).size() + bytes;
  }
  const std::uint64_t file_bytes = graph_bytes + parts.model.ByteSizeLong() - parts.model.graph().ByteSizeLong() + 16;
  if (external == ExternalData::kAlways || file_bytes > kMaxModel) return write_beside(path, parts, model);
  write_inside(path, parts, model, graph_bytes);
  return std::filesystem::file_size(path);
}

void write_model(const std::filesystem::path& path, const ModelProto& model) {
  if (model.ByteSizeLong() > kMaxModel)
    invalid_input("{}: the model is larger than 2 GiB, ONNX's limit for one file; store more of it in 8 bits (a smaller --exclude)",
                  path.string());
  AtomicFile out(path);
  out.write(serialized(model));
  out.commit();
}

ModelProto whole(const Model& model) {
  ModelProto proto = model.proto;
  for (TensorProto& tensor : *proto.mutable_graph()->mutable_initializer())
    if (const auto found = model.weights.find(tensor.name()); found != model.weights.end())
      tensor_to_proto(found->second.view(), tensor.name(), &tensor);
  return proto;
}

}  // namespace edgeclip::onnx_ir
