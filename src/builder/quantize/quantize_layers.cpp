#include "builder/quantize/quantize_layers.h"

#include "builder/passes/activation_by.h"
#include "engine/ops/quant_matmul.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

bool is_by_row(const QuantizableLayer& layer, const LayerQuantization& how) {
  return !layer.convolution && how.by_row.count(layer.key) != 0;
}

class LayerQuantizer {
 public:
  LayerQuantizer(Graph& graph, const LayerQuantization& how, const std::string& where)
      : graph_(graph), how_(how), where_(where) {}

  int run() {
    int count = 0;
    const std::vector<QuantizableLayer> layers = quantizable_layers(graph_, how_.exclude);
    find_residuals(layers);
    for (const QuantizableLayer& layer : layers) {
      const auto scale = how_.activations.find(graph_.value(layer.activation).name);
      const bool calibrated = !is_by_row(layer, how_) && scale != how_.activations.end();
      at_ = layer.node + inserted_;
      if (!becomes_int8(graph_, layer, how_)) continue;
      if (calibrated)
        quantize(layer, scale->second);
      else
        quantize_by_row(layer);
      ++count;
    }
    if (count > 0) graph_.remove_dead();
    return count;
  }

 private:
  struct Weights {
    ValueId values, scales;
  };
  struct Rows {
    ValueId values = kNoValue, scales = kNoValue, zero_points = kNoValue;
  };

  bool is_calibrated(ValueId x) const { return how_.activations.count(graph_.value(x).name) != 0; }

  /// What convolutions add as bytes: values that are bytes anyway, and for all of their readers.  Elsewhere the float32 sum
  /// costs less than it would to quantize for it.
  void find_residuals(const std::vector<QuantizableLayer>& layers) {
    std::map<std::size_t, const QuantizableLayer*> int8;  // by node
    std::set<ValueId> made;                               // by int8 layers
    for (const QuantizableLayer& layer : layers) {
      if (!becomes_int8(graph_, layer, how_)) continue;
      int8[layer.node] = &layer;
      made.insert(graph_.nodes()[layer.node].outputs[0]);
    }
    for (const auto& [node, layer] : int8) {
      const ValueId x = layer->residual;
      if (x == kNoValue || !is_calibrated(x) || graph_.is_output(x)) continue;
      bool all = true, reads = made.count(x) != 0;
      for (const std::size_t i : graph_.consumers(x)) {
        const auto reader = int8.find(i);
        const bool activation = reader != int8.end() && reader->second->activation == x && !is_by_row(*reader->second, how_),
                   added = reader != int8.end() && reader->second->residual == x &&
                           adds_bytes(activation_of(graph_.nodes()[i]).kind);
        all = all && (activation || added);
        reads = reads || activation;
      }
      if (all && reads) residuals_.insert(x);
    }
  }

  /// Functions behind which a sum of bytes may be rounded to bytes: the others want two factors (quant_conv.cpp).
  static bool adds_bytes(Activation::Kind kind) {
    return kind == Activation::kNone || kind == Activation::kRelu || kind == Activation::kLeakyRelu ||
           kind == Activation::kClip || kind == Activation::kHardSigmoid;
  }

  void quantize(const QuantizableLayer& layer, const ActivationScale& scale) {
    const ValueId x = quantized(layer.activation, scale);
    const auto of_residual =
        residuals_.count(layer.residual) ? how_.activations.find(graph_.value(layer.residual).name) : how_.activations.end();
    const ValueId residual =
        of_residual == how_.activations.end() ? layer.residual : quantized(layer.residual, of_residual->second);
    const Weights w = weights(layer);
    const ValueId bias = bias_of(layer, w);
    Node& node = graph_.nodes()[at_];
    const auto input = [&](std::size_t i) { return node.has_input(i) ? node.inputs[i] : kNoValue; };
    node.attributes[layer.convolution ? "x_scale" : "a_scale"] = scale.scale;
    node.attributes[layer.convolution ? "x_zero_point" : "a_zero_point"] =
        static_cast<std::int64_t>(scale.zero_point);
    if (residual != layer.residual) {
      node.attributes["residual_scale"] = of_residual->second.scale;
      node.attributes["residual_zero_point"] = static_cast<std::int64_t>(of_residual->second.zero_point);
    }
    become(node, layer, {x, w.values, w.scales, bias, layer.convolution ? residual : input(3)});
  }

  void quantize_by_row(const QuantizableLayer& layer) {
    auto [x, fresh] = rows_.try_emplace(layer.activation);
    if (fresh) x->second = quantize_rows(layer);
    const Weights w = weights(layer);
    Node& node = graph_.nodes()[at_];
    const auto input = [&](std::size_t i) { return node.has_input(i) ? node.inputs[i] : kNoValue; };
    node.attributes["a_scale"] = 1.0F;
    node.attributes["a_zero_point"] = std::int64_t{0};
    become(node, layer,
           {x->second.values, w.values, w.scales, input(2), input(3), x->second.scales, x->second.zero_points});
  }

  /// Input 2, corrected where means say so.
  ValueId bias_of(const QuantizableLayer& layer, const Weights& w) {
    const Node& node = graph_.nodes()[at_];
    const ValueId bias = node.has_input(2) ? node.inputs[2] : kNoValue;
    const auto mean = how_.means.find(graph_.value(layer.activation).name);
    if (layer.convolution || bias == kNoValue || mean == how_.means.end() || !graph_.value(bias).is_constant()) return bias;
    const Tensor &floats = *graph_.value(bias).constant, &matrix = *graph_.value(layer.weights).constant;
    if (static_cast<std::int64_t>(mean->second.size()) != matrix.dim(0) || floats.elements() != matrix.dim(1)) return bias;
    const QuantizedWeights q{*graph_.value(w.values).constant, *graph_.value(w.scales).constant};
    Tensor made = corrected_bias(floats.view(), matrix.view(), q, mean->second);
    return graph_.add_constant(graph_.value(bias).name + "/corrected", std::move(made));
  }

  void become(Node& node, const QuantizableLayer& layer, std::vector<ValueId> inputs) {
    while (inputs.back() == kNoValue) inputs.pop_back();
    node.op = layer.convolution ? "QuantConv" : "QuantMatMul";
    node.domain = "edgeclip";
    node.opset = 1;
    node.attributes.emplace("activation", std::string());
    node.inputs = std::move(inputs);
  }

  /// A value like `like`, of another type.
  ValueId value_beside(ValueId like, const char* suffix, DType dtype) {
    Value value = graph_.value(like);
    value.name += suffix;
    value.dtype = dtype;
    value.symbols.clear();
    return graph_.add_value(std::move(value));
  }

  /// In front of the present layer.
  void insert(Node node) {
    graph_.add_node(std::move(node), at_++);
    ++inserted_;
  }

  /// Once for all that read it.
  ValueId quantized(ValueId x, const ActivationScale& scale) {
    auto [made, fresh] = quantized_.try_emplace(x, kNoValue);
    if (fresh) made->second = quantize_linear(x, scale);
    return made->second;
  }

  ValueId quantize_linear(ValueId x, const ActivationScale& scale) {
    const std::string name = graph_.value(x).name;
    Node node;
    node.name = name + "/QuantizeLinear";
    node.op = "QuantizeLinear";
    node.opset = 13;
    node.inputs = {
        x, graph_.add_constant(name + "/scale", Tensor::from<float>({}, {scale.scale})),
        graph_.add_constant(name + "/zero_point", Tensor::from<std::uint8_t>({}, {scale.zero_point}))};
    node.outputs = {value_beside(x, "/quantized", DType::u8)};
    const ValueId result = node.outputs[0];
    insert(std::move(node));
    return result;
  }

  Rows quantize_rows(const QuantizableLayer& layer) {
    const ValueId x = layer.activation;
    // More products are widened, which takes one zero point off before.
    const bool affine = is_one_sided(x) && graph_.value(layer.weights).constant->dim(0) <= kMostInt8Products;
    Rows rows;
    rows.values = value_beside(x, "/rows", affine ? DType::u8 : DType::i8);
    rows.scales = value_of_rows(x, "/row_scale", DType::f32);
    if (affine) rows.zero_points = value_of_rows(x, "/row_zero_point", DType::i32);
    Node node;
    node.op = affine ? "AffineQuantizeRows" : "QuantizeRows";
    node.name = graph_.value(x).name + "/" + node.op;
    node.domain = "edgeclip";
    node.opset = 1;
    node.inputs = {x};
    node.outputs = {rows.values, rows.scales};
    if (affine) node.outputs.push_back(rows.zero_points);
    insert(std::move(node));
    return rows;
  }

  /// One for each row of `like`.
  ValueId value_of_rows(ValueId like, const char* suffix, DType dtype) {
    const ValueId made = value_beside(like, suffix, dtype);
    Value& value = graph_.value(made);
    if (value.shape && !value.shape->empty()) value.shape->back() = 1;
    return made;
  }

  /// Whether x is what an activation function gives that is bounded from below close to zero.
  bool is_one_sided(ValueId x) const {
    const auto producer = graph_.producer(x);
    if (!producer) return false;
    const Node* const node = &graph_.nodes()[*producer];
    const bool product = node->is("FusedMatMul", "edgeclip") || node->is("QuantMatMul", "edgeclip");
    if (product && node->has_input(node->op == "FusedMatMul" ? std::size_t{3} : std::size_t{kQuantResidual})) return false;
    const Activation activation = product ? activation_of(*node) : activation_by(graph_, *node);
    switch (activation.kind) {
      case Activation::kRelu:
      case Activation::kSigmoid:
      case Activation::kHardSigmoid:
      case Activation::kHardSwish:
      case Activation::kGelu:
      case Activation::kGeluTanh:
      case Activation::kQuickGelu:
        return true;
      case Activation::kSwish:
        return activation.alpha > 0;
      case Activation::kClip:
        return activation.alpha >= 0;
      default:
        return false;
    }
  }

  Weights weights(const QuantizableLayer& layer) {
    const auto found = weights_.find(layer.weights);
    if (found != weights_.end()) return found->second;
    const std::string name = graph_.value(layer.weights).name;
    QuantizedWeights q =
        quantize_weights(graph_.value(layer.weights).constant->view(), layer.convolution ? 0 : 1,
                         how_.weight_bits, where_ + ": weights \"" + name + "\"");
    const Weights made{graph_.add_constant(name + "/quantized", std::move(q.values)),
                       graph_.add_constant(name + "/scales", std::move(q.scales))};
    return weights_[layer.weights] = made;
  }

  Graph& graph_;
  const LayerQuantization& how_;
  const std::string& where_;
  std::set<ValueId> residuals_;  ///< that are added as bytes
  std::map<ValueId, ValueId> quantized_;
  std::map<ValueId, Rows> rows_;
  std::map<ValueId, Weights> weights_;
  std::size_t at_ = 0;        ///< index of the present layer
  std::size_t inserted_ = 0;  ///< nodes so far, all in front of it
};

}  // namespace

bool becomes_int8(const Graph& graph, const QuantizableLayer& layer, const LayerQuantization& how) {
  if (how.stay.count(layer.key)) return false;
  return is_by_row(layer, how) || how.activations.count(graph.value(layer.activation).name) != 0 || (!layer.convolution && how.per_row);
}

int quantize_layers(Graph& graph, const LayerQuantization& how, const std::string& where) {
  return LayerQuantizer(graph, how, where).run();
}

}  // namespace edgeclip::builder
