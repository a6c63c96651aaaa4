#include "onnx/graph_builder.h"

#include <algorithm>

#include "base/build_info.h"
#include "onnx/model.h"
#include "onnx/opset/lower.h"
#include "onnx/unique_names.h"

namespace edgeclip::onnx_ir {

namespace {

constexpr std::size_t kSmall = 1024;  ///< bytes that are copied into the message

/// NumPy's broadcasting; -1 (dynamic) meets anything and stays dynamic unless the other side fixes it.
std::int64_t broadcast_dim(std::int64_t a, std::int64_t b) {
  if (a == b || b == 1) return a;
  if (a == 1 || a < 0) return b;
  EDGECLIP_CHECK(b < 0, "dimensions {} and {} do not broadcast", a, b);
  return a;
}

Shape broadcast(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto at = [&](const Shape& s) { return i < s.size() ? s[s.size() - 1 - i] : 1; };
    out[out.size() - 1 - i] = broadcast_dim(at(a), at(b));
  }
  return out;
}

std::size_t axis_of(std::int64_t axis, const Shape& shape) {
  const auto rank = static_cast<std::int64_t>(shape.size());
  EDGECLIP_CHECK(axis >= -rank && axis < rank, "axis {} of {}", axis, shape_string(shape));
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

Attr make_attr(Attr::Kind kind, std::string name) {
  Attr attr;
  attr.kind = kind;
  attr.name = std::move(name);
  return attr;
}

}  // namespace

Attr Attr::integer(std::string name, std::int64_t v) {
  Attr attr = make_attr(kInt, std::move(name));
  attr.i = v;
  return attr;
}
Attr Attr::real(std::string name, float v) {
  Attr attr = make_attr(kFloat, std::move(name));
  attr.f = v;
  return attr;
}
Attr Attr::integers(std::string name, std::vector<std::int64_t> v) {
  Attr attr = make_attr(kInts, std::move(name));
  attr.ints = std::move(v);
  return attr;
}
struct GraphBuilder::State {
  Model model;
  int opset = 0;
  std::vector<std::string> scopes;
  UniqueNames names;
  std::vector<std::string> layers;

  ::onnx::GraphProto& graph() { return *model.proto.mutable_graph(); }

  std::string scoped(const std::string& name) const {
    std::string out;
    for (const auto& scope : scopes) out += scope + "/";
    return out + name;
  }
  static void describe(const std::string& name, DType dtype, const Shape& shape,
                       const std::vector<std::string>& symbols, ::onnx::ValueInfoProto* info) {
    info->set_name(name);
    auto* type = info->mutable_type()->mutable_tensor_type();
    type->set_elem_type(dtype_to_onnx(dtype));
    auto* dims = type->mutable_shape();
    for (std::size_t i = 0; i < shape.size(); ++i) {
      auto* dim = dims->add_dim();
      if (shape[i] >= 0) {
        dim->set_dim_value(shape[i]);
      } else {
        EDGECLIP_CHECK(i < symbols.size() && !symbols[i].empty(), "{}: dimension {} needs a symbol", name, i);
        dim->set_dim_param(symbols[i]);
      }
    }
  }
};

GraphBuilder::GraphBuilder(std::string graph_name, int opset) : state_(std::make_unique<State>()) {
  require_writable_opset(opset);
  state_->opset = opset;
  auto& model = state_->model.proto;
  model.set_producer_name("edgeclip");
  model.set_producer_version(version());
  state_->graph().set_name(graph_name);
}

GraphBuilder::~GraphBuilder() = default;

GraphBuilder::Scope::Scope(GraphBuilder& builder, const std::string& name) : builder_(builder) {
  builder_.state_->scopes.push_back(name);
}
GraphBuilder::Scope::~Scope() { builder_.state_->scopes.pop_back(); }

Value GraphBuilder::input(const std::string& name, DType dtype, const Shape& dims,
                          const std::vector<std::string>& symbols) {
  EDGECLIP_CHECK(state_->names.take(name), "the name {} is taken", name);
  State::describe(name, dtype, dims, symbols, state_->graph().add_input());
  return {name, dtype, dims};
}

void GraphBuilder::output(const Value& value, const std::string& name,
                          const std::vector<std::string>& symbols) {
  EDGECLIP_CHECK(state_->names.take(name), "the name {} is taken", name);
  bool produced = false;
  for (auto& node : *state_->graph().mutable_node()) {
    for (auto& in : *node.mutable_input())
      if (in == value.name) in = name;
    for (auto& out : *node.mutable_output()) {
      if (out != value.name) continue;
      out = name;
      produced = true;
    }
  }
  EDGECLIP_CHECK(produced, "{} comes from no node", value.name);
  State::describe(name, value.dtype, value.shape, symbols, state_->graph().add_output());
}

Value GraphBuilder::initializer(const std::string& name, const Tensor& tensor) {
  const std::string unique = state_->names.unique(name);
  auto& proto = *state_->graph().add_initializer();
  if (tensor.bytes() <= kSmall) {
    tensor_to_proto(tensor.view(), unique, &proto);
  } else {
    proto.set_name(unique);
    proto.set_data_type(dtype_to_onnx(tensor.dtype()));
    for (const auto dim : tensor.shape()) proto.add_dims(dim);
    state_->model.weights.emplace(unique, tensor);
  }
  return {unique, tensor.dtype(), tensor.shape()};
}

Value GraphBuilder::constant(const std::vector<std::int64_t>& values, const std::string& hint) {
  return initializer(state_->scoped(hint),
                     Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
}

Value GraphBuilder::scalar(float value, const std::string& hint) {
  return initializer(state_->scoped(hint), Tensor::from<float>({}, {value}));
}

void GraphBuilder::layer(const Value& value) { state_->layers.push_back(value.name); }
const std::vector<std::string>& GraphBuilder::layers() const { return state_->layers; }

Value GraphBuilder::node(const std::string& op, const std::vector<Value>& inputs, DType dtype,
                         const Shape& shape, const std::vector<Attr>& attributes) {
  auto* node = state_->graph().add_node();
  const std::string name = state_->names.unique(state_->scoped(op));
  node->set_op_type(op);
  node->set_name(name);
  for (const auto& in : inputs) node->add_input(in.name);
  node->add_output(name);
  for (const auto& attr : attributes) {
    auto* out = node->add_attribute();
    out->set_name(attr.name);
    switch (attr.kind) {
      case Attr::kInt:
        out->set_type(::onnx::AttributeProto::INT);
        out->set_i(attr.i);
        break;
      case Attr::kFloat:
        out->set_type(::onnx::AttributeProto::FLOAT);
        out->set_f(attr.f);
        break;
      case Attr::kString:
        out->set_type(::onnx::AttributeProto::STRING);
        out->set_s(attr.s);
        break;
      case Attr::kInts:
        out->set_type(::onnx::AttributeProto::INTS);
        for (const auto v : attr.ints) out->add_ints(v);
        break;
      case Attr::kFloats:
        out->set_type(::onnx::AttributeProto::FLOATS);
        for (const auto v : attr.floats) out->add_floats(v);
        break;
    }
  }
  return {name, dtype, shape};
}

Value GraphBuilder::add(const Value& a, const Value& b) {
  return node("Add", {a, b}, a.dtype, broadcast(a.shape, b.shape));
}
Value GraphBuilder::sub(const Value& a, const Value& b) {
  return node("Sub", {a, b}, a.dtype, broadcast(a.shape, b.shape));
}
Value GraphBuilder::mul(const Value& a, const Value& b) {
  return node("Mul", {a, b}, a.dtype, broadcast(a.shape, b.shape));
}
Value GraphBuilder::div(const Value& a, const Value& b) {
  return node("Div", {a, b}, a.dtype, broadcast(a.shape, b.shape));
}

Value GraphBuilder::matmul(const Value& a, const Value& b) {
  EDGECLIP_CHECK(a.shape.size() >= 2 && b.shape.size() >= 2, "{} x {}", shape_string(a.shape),
                 shape_string(b.shape));
  const auto k = a.shape.back(), rows = b.shape[b.shape.size() - 2];
  EDGECLIP_CHECK(k < 0 || rows < 0 || k == rows, "{} x {}", shape_string(a.shape), shape_string(b.shape));
  Shape shape =
      broadcast(Shape(a.shape.begin(), a.shape.end() - 2), Shape(b.shape.begin(), b.shape.end() - 2));
  shape.push_back(a.shape[a.shape.size() - 2]);
  shape.push_back(b.shape.back());
  return node("MatMul", {a, b}, a.dtype, shape);
}

Value GraphBuilder::reshape(const Value& x, const std::vector<std::int64_t>& dims) {
  Shape shape = dims;
  std::int64_t known = 1, rest = 1;  // products over what is not copied: of the new and of the old dimensions
  bool inferable = true;
  for (std::size_t i = 0; i < std::max(dims.size(), x.shape.size()); ++i) {
    const bool copied = i < dims.size() && dims[i] == 0;
    if (copied) {
      shape[i] = x.shape.at(i);
      continue;
    }
    if (i < dims.size() && dims[i] > 0) known *= dims[i];
    if (i < x.shape.size()) {
      if (x.shape[i] < 0)
        inferable = false;
      else
        rest *= x.shape[i];
    }
  }
  const bool infers = std::find(dims.begin(), dims.end(), -1) != dims.end();
  if (inferable) {
    EDGECLIP_CHECK(known > 0 && rest % known == 0 && (infers || rest == known), "{} to {}",
                   shape_string(x.shape), shape_string(dims));
    if (infers) {
      const auto place = std::find(dims.begin(), dims.end(), -1) - dims.begin();
      shape[static_cast<std::size_t>(place)] = rest / known;
    }
  }
  return node("Reshape", {x, constant(dims, "shape")}, x.dtype, shape);
}

Value GraphBuilder::transpose(const Value& x, const std::vector<std::int64_t>& perm) {
  EDGECLIP_CHECK(perm.size() == x.shape.size());
  Shape shape;
  for (const auto axis : perm) shape.push_back(x.shape.at(static_cast<std::size_t>(axis)));
  return node("Transpose", {x}, x.dtype, shape, {Attr::integers("perm", perm)});
}

Value GraphBuilder::concat(const std::vector<Value>& xs, std::int64_t axis) {
  EDGECLIP_CHECK(!xs.empty());
  Shape shape = xs[0].shape;
  const std::size_t along = axis_of(axis, shape);
  for (std::size_t i = 1; i < xs.size(); ++i) {
    EDGECLIP_CHECK(xs[i].shape.size() == shape.size());
    for (std::size_t d = 0; d < shape.size(); ++d) {
      const auto other = xs[i].shape[d];
      if (d == along)
        shape[d] = shape[d] < 0 || other < 0 ? -1 : shape[d] + other;
      else if (shape[d] < 0)
        shape[d] = other;
      else
        EDGECLIP_CHECK(other < 0 || other == shape[d], "{} beside {}", shape_string(xs[i].shape),
                       shape_string(shape));
    }
  }
  return node("Concat", xs, xs[0].dtype, shape, {Attr::integer("axis", axis)});
}

Value GraphBuilder::softmax(const Value& x, std::int64_t axis) {
  return node("Softmax", {x}, x.dtype, x.shape, {Attr::integer("axis", axis)});
}

Value GraphBuilder::layer_norm(const Value& x, const Value& weight, const Value& bias, float eps) {
  return node("LayerNormalization", {x, weight, bias}, x.dtype, x.shape,
              {Attr::integer("axis", -1), Attr::real("epsilon", eps)});
}

Value GraphBuilder::sigmoid(const Value& x) { return node("Sigmoid", {x}, x.dtype, x.shape); }
Value GraphBuilder::gelu(const Value& x) { return node("Gelu", {x}, x.dtype, x.shape); }

Value GraphBuilder::gather(const Value& data, const Value& indices, std::int64_t axis) {
  const auto at = static_cast<std::ptrdiff_t>(axis_of(axis, data.shape));
  Shape shape(data.shape.begin(), data.shape.begin() + at);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), data.shape.begin() + at + 1, data.shape.end());
  return node("Gather", {data, indices}, data.dtype, shape, {Attr::integer("axis", axis)});
}

Value GraphBuilder::slice(const Value& x, const Value& starts, const Value& ends,
                          const std::vector<std::int64_t>& axes, const Shape& shape) {
  return node("Slice", {x, starts, ends, constant(axes, "axes")}, x.dtype, shape);
}

Value GraphBuilder::slice_axis(const Value& x, std::int64_t axis, std::int64_t start, std::int64_t end,
                               std::int64_t step) {
  Shape shape = x.shape;
  std::int64_t& length = shape.at(axis_of(axis, shape));
  EDGECLIP_CHECK(0 <= start && start < end && end <= length && step > 0, "[{}, {}) of {}", start, end, shape_string(x.shape));
  length = (end - start + step - 1) / step;
  std::vector<Value> inputs = {x, constant({start}, "start"), constant({end}, "end"), constant({axis}, "axis")};
  if (step != 1) inputs.push_back(constant({step}, "step"));
  return node("Slice", inputs, x.dtype, shape);
}

std::pair<Value, Value> GraphBuilder::top_k(const Value& x, std::int64_t k, std::int64_t axis, bool largest) {
  Shape shape = x.shape;
  shape.at(axis_of(axis, shape)) = k;
  const Value values = node("TopK", {x, constant({k}, "k")}, x.dtype, shape,
                            {Attr::integer("axis", axis), Attr::integer("largest", largest ? 1 : 0)});
  auto* made = state_->graph().mutable_node(state_->graph().node_size() - 1);
  const Value indices = {state_->names.unique(values.name + "/indices"), DType::i64, shape};
  made->add_output(indices.name);
  return {values, indices};
}

Value GraphBuilder::shape_of(const Value& x, std::int64_t start, std::int64_t end) {
  EDGECLIP_CHECK(start >= 0 && start < end && end <= static_cast<std::int64_t>(x.shape.size()));
  return node("Shape", {x}, DType::i64, {end - start},
              {Attr::integer("start", start), Attr::integer("end", end)});
}

Value GraphBuilder::l2_normalize(const Value& x) {
  return div(x, reduce("ReduceL2", x, {-1}, true));
}

Value GraphBuilder::reduce(const std::string& op, const Value& x, const std::vector<std::int64_t>& axes, bool keepdims) {
  std::vector<bool> gone(x.shape.size());
  for (const auto axis : axes) gone[axis_of(axis, x.shape)] = true;
  Shape shape;
  for (std::size_t i = 0; i < gone.size(); ++i)
    if (!gone[i] || keepdims) shape.push_back(gone[i] ? 1 : x.shape[i]);
  return node(op, {x, constant(axes, "axes")}, x.dtype, shape, {Attr::integer("keepdims", keepdims ? 1 : 0)});
}

Model GraphBuilder::model() const {
  Model model = state_->model;
  lower_to_opset(model.proto, state_->opset);
  return model;
}

void GraphBuilder::set_metadata(const std::string& key, const std::string& value) {
  auto* property = state_->model.proto.add_metadata_props();
  property->set_key(key);
  property->set_value(value);
}

}  // namespace edgeclip::onnx_ir
