#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/mapped_file.h"
#include "engine/plan/plan_file.h"
#include "engine/plan/plan_generated.h"
#include "engine/plan/weight_blocks.h"

namespace edgeclip::engine {

namespace {

/// Reads one file but for its weights.  Checksums find damage; the checks here keep a file that was made wrong from being used
/// out of bounds.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : file_(path), path_(path), where_(path.string()) {}

  Graph read() {
    const fbs::Graph& from = checked_graph();
    Graph graph;
    graph.source = std::make_shared<WeightBlocks>(file_, path_, header());
    graph.name = text(from.name());
    if (from.values())
      for (const fbs::Value* value : *from.values()) graph.add_value(read_value(*value));
    count_ = static_cast<std::int64_t>(graph.value_count());
    made_.assign(static_cast<std::size_t>(count_), false);
    for (std::size_t i = 0; i < made_.size(); ++i)
      made_[i] = graph.value(static_cast<ValueId>(i)).is_constant();
    graph.inputs = ids(from.inputs(), "a graph input");
    for (const ValueId id : graph.inputs) make(id, "a graph input");
    if (from.nodes())
      for (const fbs::Node* node : *from.nodes()) graph.add_node(read_node(*node));
    graph.outputs = ids(from.outputs(), "a graph output");
    for (const ValueId id : graph.outputs)
      if (id == kNoValue || !made_[static_cast<std::size_t>(id)])
        damaged("a graph output that nothing computes");
    return graph;
  }

  PlanHeader header() const {
    if (file_.size() == 0) damaged("it is empty");
    PlanHeader header;
    const PlanHeader good;
    if (file_.size() < sizeof header.magic || std::memcmp(file_.data(), good.magic, sizeof good.magic) != 0)
      invalid_input("{}: not a plan file (no ECPLAN at its start)", where_);
    if (file_.size() < sizeof header) damaged("it ends inside its header");
    std::memcpy(&header, file_.data(), sizeof header);
    if (header.format > kPlanFormat)
      invalid_input("{}: format {} is newer than this build ({}); update edgeclip", where_, header.format,
                    kPlanFormat);
    if (header.format < kPlanFormat)
      invalid_input("{}: format {} is older than this build ({}); {}", where_, header.format, kPlanFormat,
                    kPlanRemedy);
    const std::uint64_t size = file_.size();
    if (header.header_bytes != sizeof header || header.graph_bytes > size || header.weights_bytes > size ||
        header.weights_offset > size || header.weights_offset % kPlanAlignment != 0 ||
        header.weights_offset < sizeof header + header.graph_bytes || header.block_bytes == 0 ||
        header.weights_offset + header.weights_bytes > size || header.blocks() > size / kPlanHashBytes ||
        header.weights_offset + header.weights_bytes + (header.blocks() + 1) * kPlanHashBytes != size)
      damaged(fmt::format("its sizes do not add up to the {} bytes of the file", size));
    return header;
  }

  /// The checksum of header and table, which identifies both and so all that they are checksums of.
  std::string hash() const {
    const PlanHeader header = this->header();
    const std::byte* const table = file_.data() + header.weights_offset + header.weights_bytes;
    const std::uint64_t table_bytes = header.blocks() * kPlanHashBytes;
    Hasher hasher;
    hasher.add(&header, sizeof header);
    hasher.add(table, table_bytes);
    std::string hash = hasher.result();
    if (std::memcmp(hash.data(), table + table_bytes, kPlanHashBytes) != 0)
      damaged("the checksum of its header and its table of checksums differs");
    return hash;
  }

 private:
  [[noreturn]] void damaged(const std::string& what) const {
    invalid_input("{}: not a sound plan file: {}; build the plan again", where_, what);
  }

  const fbs::Graph& checked_graph() {
    const PlanHeader header = this->header();
    const auto* graph = reinterpret_cast<const std::uint8_t*>(file_.data()) + sizeof header;
    hash();
    weights_offset_ = header.weights_offset;
    weights_bytes_ = header.weights_bytes;
    if (hash_bytes(graph, header.graph_bytes) != std::string(header.graph_hash, sizeof header.graph_hash))
      damaged("the checksum of its graph differs");
    flatbuffers::Verifier verifier(graph, header.graph_bytes);
    if (header.graph_bytes < 8 || !fbs::VerifyGraphBuffer(verifier))
      damaged("its graph is not a FlatBuffers graph");
    return *fbs::GetGraph(graph);
  }

  static std::string text(const flatbuffers::String* s) { return s ? s->str() : std::string(); }

  /// FlatBuffers' verifier does not look at where the elements of a list begin.
  template <class T, class From>
  std::vector<T> list(const From* from) const {
    if (from && from->size() > 0 && reinterpret_cast<std::uintptr_t>(from->Data()) % alignof(T) != 0)
      damaged("a list of its graph is not aligned");
    return from ? std::vector<T>(from->begin(), from->end()) : std::vector<T>();
  }

  static std::vector<std::string> texts(
      const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* from) {
    std::vector<std::string> result;
    if (from)
      for (const auto* s : *from) result.push_back(s->str());
    return result;
  }

  DType dtype(fbs::DType type) const {
    if (type > fbs::DType::MAX) damaged(fmt::format("element type {}", static_cast<int>(type)));
    return static_cast<DType>(type);
  }

  Tensor constant(const fbs::Constant& from, const std::string& name) const {
    const DType type = dtype(from.dtype());
    Shape shape = list<std::int64_t>(from.shape());
    std::uint64_t elements = 0;
    if (!checked_num_elements(shape, &elements) || elements > weights_bytes_ ||
        elements * dtype_size(type) != from.bytes())
      damaged(fmt::format("constant {} has shape {} but {} bytes", name, shape_string(shape), from.bytes()));
    if (from.offset() % kPlanAlignment != 0 || from.bytes() > weights_bytes_ ||
        from.offset() > weights_bytes_ - from.bytes())
      damaged(fmt::format("constant {} lies outside the weights", name));
    const std::byte* data = file_.data() + weights_offset_ + from.offset();
    // Shares the mapping: it goes with the last constant.
    return Tensor(type, std::move(shape), std::shared_ptr<const std::byte>(file_.owner(), data));
  }

  Value read_value(const fbs::Value& from) const {
    Value value;
    value.name = text(from.name());
    value.dtype = dtype(from.dtype());
    value.symbols = texts(from.symbols());
    if (from.has_shape()) {
      value.shape = list<std::int64_t>(from.shape());
      for (const std::int64_t dim : *value.shape)
        if (dim < -1) damaged(fmt::format("value {} has a dimension of {}", value.name, dim));
    }
    if (!value.symbols.empty() && (!value.shape || value.symbols.size() != value.shape->size()))
      damaged(fmt::format("value {} names {} dimensions", value.name, value.symbols.size()));
    if (from.constant()) {
      value.constant = constant(*from.constant(), value.name);
      if (value.dtype != value.constant->dtype())
        damaged(fmt::format("constant {} has two element types", value.name));
      if (value.shape != value.constant->shape())
        damaged(fmt::format("constant {} has two shapes", value.name));
    }
    return value;
  }

  std::vector<ValueId> ids(const flatbuffers::Vector<std::int32_t>* from, const std::string& what) const {
    std::vector<ValueId> result = list<ValueId>(from);
    for (const ValueId id : result)
      if (id < kNoValue || id >= count_) damaged(fmt::format("{} is value {} of {}", what, id, count_));
    return result;
  }

  void make(ValueId id, const std::string& what) {
    if (id == kNoValue || made_[static_cast<std::size_t>(id)])
      damaged(fmt::format("{} is computed twice or not named", what));
    made_[static_cast<std::size_t>(id)] = true;
  }

  Node read_node(const fbs::Node& from) {
    Node node;
    node.name = text(from.name());
    node.op = text(from.op());
    node.domain = text(from.domain());
    node.opset = from.opset();
    node.origins = texts(from.origins());
    const std::string what = fmt::format("node {} ({})", node.name, node.op);
    node.inputs = ids(from.inputs(), "an input of " + what);
    for (const ValueId id : node.inputs)
      if (id != kNoValue && !made_[static_cast<std::size_t>(id)])
        damaged(what + " reads what is not computed yet");
    node.outputs = ids(from.outputs(), "an output of " + what);
    for (const ValueId id : node.outputs)
      if (id != kNoValue) make(id, "an output of " + what);
    if (from.attributes())
      for (const fbs::Attribute* attribute : *from.attributes())
        node.attributes.emplace(text(attribute->name()), read_attribute(*attribute, what));
    return node;
  }

  Attribute read_attribute(const fbs::Attribute& from, const std::string& what) const {
    if (!from.value()) damaged(what + " has an attribute without a value");
    switch (from.value_type()) {
      case fbs::AttributeValue::IntAttribute:
        return from.value_as_IntAttribute()->value();
      case fbs::AttributeValue::FloatAttribute:
        return from.value_as_FloatAttribute()->value();
      case fbs::AttributeValue::StringAttribute:
        return text(from.value_as_StringAttribute()->value());
      case fbs::AttributeValue::IntsAttribute:
        return list<std::int64_t>(from.value_as_IntsAttribute()->value());
      case fbs::AttributeValue::FloatsAttribute:
        return list<float>(from.value_as_FloatsAttribute()->value());
      case fbs::AttributeValue::StringsAttribute:
        return texts(from.value_as_StringsAttribute()->value());
      case fbs::AttributeValue::Constant:
        return constant(*from.value_as_Constant(), "of " + what);
      default:
        damaged(fmt::format("{} has an attribute {} of an unknown kind", what, text(from.name())));
    }
  }

  const MappedFile file_;
  const std::filesystem::path path_;
  const std::string where_;
  std::uint64_t weights_offset_ = 0, weights_bytes_ = 0;
  std::int64_t count_ = 0;
  std::vector<bool> made_;
};

}  // namespace

Graph read_plan_graph(const std::filesystem::path& file) { return Reader(file).read(); }

std::string plan_graph_hash(const std::filesystem::path& file) { return Reader(file).hash(); }

}  // namespace edgeclip::engine
