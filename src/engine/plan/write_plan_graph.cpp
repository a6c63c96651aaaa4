#include <cstring>
#include <limits>

#include "base/atomic_output.h"
#include "base/hash.h"
#include "engine/plan/plan_file.h"
#include "engine/plan/plan_generated.h"
#include "engine/plan/weight_blocks.h"

namespace edgeclip::engine {

namespace {

namespace fb = flatbuffers;

/// Lays constants one behind the other in the weight section.  Constants that share storage are stored once.
class WeightSection {
 public:
  fb::Offset<fbs::Constant> add(fb::FlatBufferBuilder& builder, const Tensor& tensor) {
    const std::uint64_t bytes = tensor.bytes();
    auto [it, fresh] = offsets_.try_emplace({tensor.raw(), bytes}, size_);
    if (fresh) {
      tensors_.push_back(tensor);
      size_ = align_up(size_ + bytes);
    }
    return fbs::CreateConstant(builder, static_cast<fbs::DType>(tensor.dtype()),
                               builder.CreateVector(tensor.shape()), it->second, bytes);
  }

  std::uint64_t size() const { return size_; }

  /// The section piece by piece, zeros between constants included.
  template <class Use>
  void each(Use use) const {
    constexpr char kZeros[kPlanAlignment] = {};
    for (const Tensor& tensor : tensors_) {
      use(static_cast<const void*>(tensor.raw()), tensor.bytes());
      use(static_cast<const void*>(kZeros), align_up(tensor.bytes()) - tensor.bytes());
    }
  }

 private:
  static std::uint64_t align_up(std::uint64_t n) {
    return (n + kPlanAlignment - 1) / kPlanAlignment * kPlanAlignment;
  }

  std::vector<Tensor> tensors_;
  std::map<std::pair<const std::byte*, std::uint64_t>, std::uint64_t> offsets_;
  std::uint64_t size_ = 0;
};

struct AttributeWriter {
  fb::FlatBufferBuilder& builder;
  WeightSection& weights;
  using Written = std::pair<fbs::AttributeValue, fb::Offset<void>>;

  Written operator()(std::int64_t v) {
    return {fbs::AttributeValue::IntAttribute, fbs::CreateIntAttribute(builder, v).Union()};
  }
  Written operator()(float v) {
    return {fbs::AttributeValue::FloatAttribute, fbs::CreateFloatAttribute(builder, v).Union()};
  }
  Written operator()(const std::string& v) {
    return {fbs::AttributeValue::StringAttribute,
            fbs::CreateStringAttribute(builder, builder.CreateString(v)).Union()};
  }
  Written operator()(const std::vector<std::int64_t>& v) {
    return {fbs::AttributeValue::IntsAttribute,
            fbs::CreateIntsAttribute(builder, builder.CreateVector(v)).Union()};
  }
  Written operator()(const std::vector<float>& v) {
    return {fbs::AttributeValue::FloatsAttribute,
            fbs::CreateFloatsAttribute(builder, builder.CreateVector(v)).Union()};
  }
  Written operator()(const std::vector<std::string>& v) {
    return {fbs::AttributeValue::StringsAttribute,
            fbs::CreateStringsAttribute(builder, builder.CreateVectorOfStrings(v)).Union()};
  }
  Written operator()(const Tensor& v) {
    return {fbs::AttributeValue::Constant, weights.add(builder, v).Union()};
  }
};

fb::Offset<fbs::Value> write_value(fb::FlatBufferBuilder& builder, WeightSection& weights,
                                   const Value& value) {
  const auto name = builder.CreateString(value.name);
  const auto shape = builder.CreateVector(value.shape ? *value.shape : Shape{});
  const auto symbols = builder.CreateVectorOfStrings(value.symbols);
  const auto constant = value.constant ? weights.add(builder, *value.constant) : fb::Offset<fbs::Constant>();
  return fbs::CreateValue(builder, name, static_cast<fbs::DType>(value.dtype), value.shape.has_value(), shape,
                          symbols, constant);
}

fb::Offset<fbs::Node> write_node(fb::FlatBufferBuilder& builder, WeightSection& weights, const Node& node) {
  std::vector<fb::Offset<fbs::Attribute>> attributes;
  for (const auto& [name, value] : node.attributes) {
    const auto key = builder.CreateString(name);
    const auto [type, offset] = std::visit(AttributeWriter{builder, weights}, value);
    attributes.push_back(fbs::CreateAttribute(builder, key, type, offset));
  }
  const auto name = builder.CreateString(node.name), op = builder.CreateString(node.op),
             domain = builder.CreateString(node.domain);
  const auto all_attributes = builder.CreateVector(attributes);
  const auto origins = builder.CreateVectorOfStrings(node.origins);
  const auto inputs = builder.CreateVector(node.inputs), outputs = builder.CreateVector(node.outputs);
  return fbs::CreateNode(builder, name, op, domain, node.opset, inputs, outputs, all_attributes, origins);
}

void set_hash(char (&field)[32], const std::string& hash) {
  EDGECLIP_CHECK(hash.size() == sizeof field, "{}", hash);
  std::memcpy(field, hash.data(), sizeof field);
}

}  // namespace

void write_plan_graph(const std::filesystem::path& file, const Graph& graph) {
  fb::FlatBufferBuilder builder;
  WeightSection weights;
  std::vector<fb::Offset<fbs::Value>> values;
  for (std::size_t i = 0; i < graph.value_count(); ++i)
    values.push_back(write_value(builder, weights, graph.value(static_cast<ValueId>(i))));
  std::vector<fb::Offset<fbs::Node>> nodes;
  for (const Node& node : graph.nodes()) nodes.push_back(write_node(builder, weights, node));
  const auto name = builder.CreateString(graph.name);
  const auto all_values = builder.CreateVector(values);
  const auto all_nodes = builder.CreateVector(nodes);
  const auto inputs = builder.CreateVector(graph.inputs), outputs = builder.CreateVector(graph.outputs);
  fbs::FinishGraphBuffer(builder, fbs::CreateGraph(builder, name, all_values, all_nodes, inputs, outputs));

  PlanHeader header;
  header.header_bytes = sizeof header;
  header.graph_bytes = builder.GetSize();
  header.weights_offset =
      (sizeof header + header.graph_bytes + kPlanAlignment - 1) / kPlanAlignment * kPlanAlignment;
  header.weights_bytes = weights.size();
  set_hash(header.graph_hash, hash_bytes(builder.GetBufferPointer(), builder.GetSize()));

  AtomicFile output(file);
  output.write(&header, sizeof header);
  output.write(builder.GetBufferPointer(), builder.GetSize());
  output.pad_to(kPlanAlignment);
  EDGECLIP_CHECK(output.offset() == header.weights_offset, "weights at {}", output.offset());
  WeightBlockWriter blocks(output, header.block_bytes);
  weights.each([&](const void* data, std::size_t bytes) { blocks.write(data, bytes); });
  const std::string table = blocks.table();
  EDGECLIP_CHECK(table.size() == header.blocks() * kPlanHashBytes, "{} blocks", header.blocks());
  output.write(table);
  Hasher hasher;
  hasher.add(&header, sizeof header);
  hasher.add(table.data(), table.size());
  output.write(hasher.result());
  output.commit();
}

}  // namespace edgeclip::engine
