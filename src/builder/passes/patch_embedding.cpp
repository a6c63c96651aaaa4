#include "builder/passes/patch_embedding.h"

#include <algorithm>

#include "builder/passes/pattern.h"
#include "builder/passes/real_constants.h"
#include "engine/graph/shape_inference.h"

// x (N, C, H, W) ─► Conv(w (O, C, kh, kw), b; strides = kernel) ─► Reshape (N, O, G) ─► Transpose(0, 2, 1) ─► y
//   ⇒  x ─► Reshape (N, C, H/kh, kh, W/kw, kw) ─► Transpose(0, 2, 4, 1, 3, 5) ─► Reshape (N, G, C kh kw)
//        ─► FusedMatMul(w as (C kh kw, O), b) ─► y
// A vision transformer's patches, each a row that is read once and where it lies: a product like all others
// behind it, rows of which int8 gives a scale of their own.
// Refuses: patches that overlap, leave gaps or do not divide the image evenly; padding, dilation, groups; an
// image whose size is not known; weights that are no constants of float32; intermediates with other readers or
// that are graph outputs.
namespace edgeclip::builder {

using namespace engine;

namespace {

using Ints = std::vector<std::int64_t>;

struct Patches {
  const Node* conv;
  std::int64_t channels, rows, height, columns, width, outputs;  ///< rows of patches of this height, ...
  std::int64_t count() const { return rows * columns; }
  std::int64_t length() const { return channels * height * width; }
};

class PatchEmbedding {
 public:
  explicit PatchEmbedding(const Graph& graph) : facts_(graph) {}

  bool operator()(Graph& graph, const GraphIndex& index, std::size_t i) const {
    const Node& node = graph.nodes()[i];
    if (!node.is("Transpose") || node.ints_or("perm", {}) != Ints{0, 2, 1}) return false;
    const Node* flat = index.inner(node.inputs[0], "Reshape");
    const Node* conv = flat ? index.inner(flat->inputs[0], "Conv") : nullptr;
    const auto patches = conv ? patches_of(graph, *conv, flat->outputs[0]) : std::nullopt;
    if (!patches) return false;
    write(graph, i, *patches);
    return true;
  }

 private:
  std::optional<Patches> patches_of(const Graph& graph, const Node& conv, ValueId flat) const {
    const Tensor* weights = real_constant(graph, conv.inputs[1]);
    const auto image = facts_.shape(conv.inputs[0]);
    const auto &from = facts_.symbolic(conv.inputs[0]), &to = facts_.symbolic(flat);
    if (!weights || weights->dtype() != DType::f32 || weights->shape().size() != 4 || !image || image->size() != 4)
      return {};
    const std::string padding = conv.string_or("auto_pad", "NOTSET");
    const Ints kernel = {weights->dim(2), weights->dim(3)}, pads = conv.ints_or("pads", {});
    if ((padding != "NOTSET" && padding != "VALID") || conv.ints_or("strides", {1, 1}) != kernel ||
        conv.ints_or("dilations", {1, 1}) != Ints{1, 1} || conv.int_or("group", 1) != 1 ||
        std::any_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad != 0; }))
      return {};
    if (kernel == Ints{1, 1} || (*image)[1] != weights->dim(1) || (*image)[2] <= 0 || (*image)[3] <= 0 ||
        (*image)[2] % kernel[0] != 0 || (*image)[3] % kernel[1] != 0)
      return {};
    if (conv.has_input(2)) {
      const Tensor* bias = real_constant(graph, conv.inputs[2]);
      if (!bias || bias->dtype() != DType::f32) return {};
    }
    const Patches patches{&conv,     weights->dim(1), (*image)[2] / kernel[0], kernel[0], (*image)[3] / kernel[1],
                          kernel[1], weights->dim(0)};
    if (!to || *to != SymbolicShape{(*from)[0], patches.outputs, patches.count()}) return {};
    return patches;
  }

  static void write(Graph& graph, std::size_t i, const Patches& p) {
    const Node conv = *p.conv;
    const std::string name = conv.name.empty() ? graph.value(conv.outputs[0]).name : conv.name;
    std::size_t at = i;
    const auto add = [&](const char* op, ValueId x, const char* suffix, Shape shape, ValueId second,
                         std::map<std::string, Attribute> attributes) {
      Value value;
      value.name = name + suffix;
      value.shape = std::move(shape);
      Node node;
      node.name = value.name;
      node.op = op;
      node.opset = 13;
      node.inputs = {x};
      if (second != kNoValue) node.inputs.push_back(second);
      node.outputs = {graph.add_value(std::move(value))};
      node.attributes = std::move(attributes);
      node.origins = conv.origins;
      const ValueId y = node.outputs[0];
      graph.add_node(std::move(node), at++);
      return y;
    };
    const auto sizes = [&](const Ints& values) {
      return graph.add_constant(name + "/sizes", Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
    };
    const Ints grid = {0, p.channels, p.rows, p.height, p.columns, p.width}, flat = {0, p.count(), p.length()};
    ValueId x = add("Reshape", conv.inputs[0], "/grid", {-1, p.channels, p.rows, p.height, p.columns, p.width},
                    sizes(grid), {});
    x = add("Transpose", x, "/turned", {-1, p.rows, p.columns, p.channels, p.height, p.width}, kNoValue,
            {{"perm", Ints{0, 2, 4, 1, 3, 5}}});
    x = add("Reshape", x, "/patches", {-1, p.count(), p.length()}, sizes(flat), {});
    const ValueId weights =
        graph.add_constant(graph.value(conv.inputs[1]).name + ".rows", columns(*graph.value(conv.inputs[1]).constant));
    Node& product = graph.nodes()[at];
    add_origins(product, conv);
    become(product, "FusedMatMul", {x, weights, conv.has_input(2) ? conv.inputs[2] : kNoValue});
  }

  /// (O, C, kh, kw) as (C kh kw, O).
  static Tensor columns(const Tensor& w) {
    const std::int64_t outputs = w.dim(0), length = w.elements() / outputs;
    Tensor t(DType::f32, {length, outputs});
    for (std::int64_t o = 0; o < outputs; ++o)
      for (std::int64_t k = 0; k < length; ++k) t.data<float>()[k * outputs + o] = w.data<float>()[o * length + k];
    return t;
  }

  ShapeFacts facts_;
};

}  // namespace

int patch_embedding(Graph& graph) {
  const auto convolves = [](const Node& node) { return node.is("Conv"); };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), convolves)) return 0;
  return rewrite_nodes(graph, PatchEmbedding(graph));
}

}  // namespace edgeclip::builder
