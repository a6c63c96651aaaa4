#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/tensor.h"

/// The engine's own graph: what the importer makes, the passes rewrite, the plan stores and the runtime runs.
namespace edgeclip::engine {

using ValueId = std::int32_t;
inline constexpr ValueId kNoValue = -1;  ///< an optional input that is left out

using Attribute = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>,
                               std::vector<float>, std::vector<std::string>, Tensor>;

/// A tensor that flows along an edge, a graph input, or a constant.
struct Value {
  std::string name;
  DType dtype = DType::f32;
  /// Dimensions as far as known before the inputs' shapes are: -1 = unknown.  Empty optional: not even the
  /// rank.
  std::optional<Shape> shape;
  /// Names of symbolic dimensions of graph inputs ("batch", "tokens"), parallel to shape; "" elsewhere.
  std::vector<std::string> symbols;
  std::optional<Tensor> constant;
  bool is_constant() const { return constant.has_value(); }
};

/// One operator.  Operators of ONNX keep their names (domain ""); fused ones live in domain "edgeclip".
struct Node {
  std::string name;  ///< as in the ONNX file; fused nodes keep the name of the node that gives their output
  std::string op, domain;
  int opset = 17;  ///< of the domain, in the model it came from
  std::vector<ValueId> inputs, outputs;
  std::map<std::string, Attribute> attributes;
  /// Names of the ONNX nodes whose work this one does, its own first: what a rewrite swallowed is not lost.
  std::vector<std::string> origins;

  bool is(const char* name, const char* in_domain = "") const { return op == name && domain == in_domain; }
  /// Whether input i is given; optional ones may be left out, in the middle too.
  bool has_input(std::size_t i) const { return i < inputs.size() && inputs[i] != kNoValue; }
  bool has(const std::string& key) const { return attributes.count(key) != 0; }
  /// CHECKs the type; the importer has already refused wrong ones with a clear error.
  std::int64_t int_or(const std::string& key, std::int64_t otherwise) const;
  float float_or(const std::string& key, float otherwise) const;
  std::string string_or(const std::string& key, const std::string& otherwise) const;
  std::vector<std::int64_t> ints_or(const std::string& key, const std::vector<std::int64_t>& otherwise) const;
};

/// Takes over the origins of a node that `node` now does the work of.
void add_origins(Node& node, const Node& swallowed);

/// Where the bytes of constants come from that nobody has looked at yet (a plan file, mapped).
class ConstantSource {
 public:
  virtual ~ConstantSource() = default;
  /// Throws InvalidInput if the bytes are not those that were written; does nothing to tensors of other
  /// memory.  what: the constant, for the message.  Thread-safe.
  virtual void verify(const TensorView& constant, const std::string& what) const = 0;

  /// For what is kept of constants beside their file: which file that is, what tells all of its constants from
  /// those of another, and where among them one lies (nothing for other memory).  Thread-safe.
  virtual const std::filesystem::path& file() const = 0;
  virtual std::string identity() const = 0;
  virtual std::optional<std::uint64_t> offset(const std::byte* constant) const = 0;
};

/// Nodes are kept in topological order (CHECKed by check()).  Not thread-safe while being changed.
class Graph {
 public:
  std::string name;
  std::vector<ValueId> inputs, outputs;
  std::shared_ptr<const ConstantSource> source;  ///< none: constants are what they are

  /// What has to be called before bytes of constants are read: of those in a node's attributes, of those
  /// among `values` (kNoValue and what is computed are passed over).  Throws InvalidInput.
  void verify_attributes(const Node& node) const;
  void verify_constants(const std::vector<ValueId>& values) const;

  ValueId add_value(Value value);
  ValueId add_constant(std::string name, Tensor tensor);
  /// Inserts before position `at` (default: at the end).
  Node& add_node(Node node, std::optional<std::size_t> at = {});

  Value& value(ValueId id) { return values_.at(static_cast<std::size_t>(id)); }
  const Value& value(ValueId id) const { return values_.at(static_cast<std::size_t>(id)); }
  std::size_t value_count() const { return values_.size(); }
  std::vector<Node>& nodes() { return nodes_; }
  const std::vector<Node>& nodes() const { return nodes_; }

  /// Index of the node that gives the value; nothing for inputs and constants.  O(nodes).
  std::optional<std::size_t> producer(ValueId id) const;
  /// Indices of the nodes that read the value (each once).  O(nodes).
  std::vector<std::size_t> consumers(ValueId id) const;
  bool is_output(ValueId id) const;
  void replace_uses(ValueId from, ValueId to);  ///< in nodes and graph outputs
  /// Removes nodes whose outputs nobody reads, then values nobody names (ids change; graph inputs stay).
  void remove_dead();
  /// CHECKs: topological order, ids in range, one producer per value.
  void check() const;

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
};

}  // namespace edgeclip::engine
