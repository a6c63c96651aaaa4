#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/tensor.h"

namespace onnx {
class ModelProto;
class TensorProto;
}  // namespace onnx

/// A typed builder over libonnx's protobuf messages.  Names are made unique; every value knows its type and
/// its shape
/// (-1: dynamic), so that emission code reads like the forward pass.
namespace edgeclip::onnx_ir {

/// A value in the graph under construction.
struct Value {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;  ///< -1 = dynamic
};

/// Attribute of a node.
struct Attr {
  enum Kind { kInt, kFloat, kString, kInts, kFloats } kind;
  std::string name;
  std::int64_t i = 0;
  float f = 0;
  std::string s;
  std::vector<std::int64_t> ints;
  std::vector<float> floats;

  static Attr integer(std::string name, std::int64_t v);
  static Attr real(std::string name, float v);
  static Attr integers(std::string name, std::vector<std::int64_t> v);
};

struct Model;

/// Operators are those of opset 20; model() takes them down to the one asked for (opset/lower.h).
class GraphBuilder {
 public:
  /// opset: 12 to 20; InvalidInput otherwise.
  explicit GraphBuilder(std::string graph_name, int opset = 17);
  ~GraphBuilder();
  GraphBuilder(const GraphBuilder&) = delete;
  GraphBuilder& operator=(const GraphBuilder&) = delete;

  /// dims: -1 takes the symbol at the same place ("batch").
  Value input(const std::string& name, DType dtype, const Shape& dims,
              const std::vector<std::string>& symbols);
  /// The producing node's output takes `name`; value must come from a node and must not be an output already.
  void output(const Value& value, const std::string& name, const std::vector<std::string>& symbols);
  /// Small ones are copied into the model; of others it holds the memory (onnx/model.h), which must not change until it is written.
  Value initializer(const std::string& name, const Tensor& tensor);
  Value constant(const std::vector<std::int64_t>& values, const std::string& hint);  ///< 1-D int64
  Value scalar(float value, const std::string& hint);

  /// Pushes a scope for node and value names: "vision_model/encoder/layers.0/self_attn".
  class Scope {
   public:
    Scope(GraphBuilder& builder, const std::string& name);
    ~Scope();

   private:
    GraphBuilder& builder_;
  };

  /// One node with one output of the given type and shape.  Node name: scope + op (+ number).
  Value node(const std::string& op, const std::vector<Value>& inputs, DType dtype, const Shape& shape,
             const std::vector<Attr>& attributes = {});

  // The operators that emission code uses, with their shape rules.
  Value add(const Value& a, const Value& b);
  Value mul(const Value& a, const Value& b);
  Value matmul(const Value& a, const Value& b);
  Value reshape(const Value& x, const std::vector<std::int64_t>& dims);  ///< 0 copies, -1 infers
  Value transpose(const Value& x, const std::vector<std::int64_t>& perm);
  Value concat(const std::vector<Value>& xs, std::int64_t axis);
  Value softmax(const Value& x, std::int64_t axis);
  Value layer_norm(const Value& x, const Value& weight, const Value& bias, float eps);
  Value sigmoid(const Value& x);
  Value gelu(const Value& x);
  Value div(const Value& a, const Value& b);
  Value shape_of(const Value& x, std::int64_t start,
                 std::int64_t end);  ///< dimensions [start, end), 1-D int64
  Value gather(const Value& data, const Value& indices, std::int64_t axis);
  Value slice(const Value& x, const Value& starts, const Value& ends, const std::vector<std::int64_t>& axes,
              const Shape& shape);
  /// Places start, start + step, ... below end of one axis, whose length is known.
  Value slice_axis(const Value& x, std::int64_t axis, std::int64_t start, std::int64_t end, std::int64_t step = 1);
  Value sub(const Value& a, const Value& b);
  /// The k largest (or smallest) along an axis, in order, and where they are (int64); of equals the first.
  std::pair<Value, Value> top_k(const Value& x, std::int64_t k, std::int64_t axis, bool largest = true);
  Value l2_normalize(const Value& x);  ///< over the last axis
  /// ReduceMean, ReduceSum or ReduceL2.
  Value reduce(const std::string& op, const Value& x, const std::vector<std::int64_t>& axes, bool keepdims);

  /// Says that value is what the next layer of the network reads: names of such, in order.
  void layer(const Value& value);
  const std::vector<std::string>& layers() const;

  /// The model as it is now, in the operator set asked for.
  Model model() const;
  /// Of ModelProto.metadata_props.
  void set_metadata(const std::string& key, const std::string& value);

 private:
  friend class Scope;
  struct State;
  std::unique_ptr<State> state_;
};

DType dtype_from_onnx(int onnx_type,
                      const std::string& where);  ///< throws InvalidInput for types we do not have
int dtype_to_onnx(DType dtype);
void tensor_to_proto(const TensorView& tensor, const std::string& name, ::onnx::TensorProto* proto);
/// External data only from below `folder`.  Sizes are checked.  Throws InvalidInput.
Tensor tensor_from_proto(const ::onnx::TensorProto& proto, const std::filesystem::path& folder,
                         const std::string& where);

/// Reads and parses a file.  Throws InvalidInput (not a model, truncated, over 2 GiB).
::onnx::ModelProto read_model(const std::filesystem::path& path);
/// Writes it through a temporary name.  A builder's: onnx/model.h.
void write_model(const std::filesystem::path& path, const ::onnx::ModelProto& model);
/// libonnx's checker and strict shape inference.  Throws InvalidInput with its message in one line.  false: not checked, since
/// the operator set is newer than libonnx's (version 1.12 knows 17).
bool check_model(const ::onnx::ModelProto& model, const std::string& where);

}  // namespace edgeclip::onnx_ir
