#include "builder/quantize/smooth.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "base/error.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr float kLeastFactor = 1e-5F;  // of a channel that hardly ever differs from 0

/// A value between a LayerNorm and products.
struct Place {
  ValueId value = kNoValue;
  std::vector<ValueId> divided;     ///< of the LayerNorm: (K)
  std::vector<ValueId> multiplied;  ///< of the products: (K, N)
};

class Places {
 public:
  explicit Places(const Graph& graph)
      : graph_(graph), readers_(graph.value_count()), producer_(graph.value_count(), nullptr) {
    for (const Node& node : graph.nodes()) {
      for (const ValueId id : std::set<ValueId>(node.inputs.begin(), node.inputs.end()))
        if (id != kNoValue) readers_[static_cast<std::size_t>(id)].push_back(&node);
      for (const ValueId id : node.outputs)
        if (id != kNoValue) producer_[static_cast<std::size_t>(id)] = &node;
    }
  }

  std::vector<Place> all() const {
    std::vector<Place> places;
    for (std::size_t id = 0; id < readers_.size(); ++id)
      if (auto place = place_of(static_cast<ValueId>(id))) places.push_back(std::move(*place));
    return places;
  }

 private:
  const std::vector<const Node*>& readers(ValueId id) const { return readers_[static_cast<std::size_t>(id)]; }
  bool is_constant(ValueId id, std::size_t rank) const {
    const auto& constant = graph_.value(id).constant;
    return constant && constant->dtype() == DType::f32 && constant->shape().size() == rank;
  }
  /// A vector that `node` alone reads.
  bool is_own_vector(const Node& node, std::size_t input) const {
    return node.has_input(input) && is_constant(node.inputs[input], 1) &&
           readers(node.inputs[input]).size() == 1;
  }

  std::optional<Place> place_of(ValueId x) const {
    const Node* const norm = producer_[static_cast<std::size_t>(x)];
    if (norm == nullptr || readers(x).empty() || graph_.is_output(x)) return {};
    Place place{x, divided_of(*norm), {}};
    if (place.divided.empty()) return {};
    const std::int64_t channels = graph_.value(place.divided[0]).constant->dim(0);
    for (const ValueId id : place.divided)
      if (graph_.value(id).constant->dim(0) != channels) return {};
    for (const Node* reader : readers(x)) {
      if (!reader->is("MatMul") || reader->inputs[0] != x || !is_constant(reader->inputs[1], 2)) return {};
      const ValueId w = reader->inputs[1];
      if (graph_.value(w).constant->dim(0) != channels) return {};
      for (const Node* other : readers(w))
        if (other->inputs[0] != x || other->inputs[1] != w) return {};
      if (std::find(place.multiplied.begin(), place.multiplied.end(), w) == place.multiplied.end())
        place.multiplied.push_back(w);
    }
    return place;
  }

  /// Scale and shift of a LayerNorm, if nobody else wants them.
  std::vector<ValueId> divided_of(const Node& norm) const {
    if (norm.is("LayerNormalization")) {
      if (!is_own_vector(norm, 1) || (norm.has_input(2) && !is_own_vector(norm, 2))) return {};
      return norm.has_input(2) ? std::vector<ValueId>{norm.inputs[1], norm.inputs[2]}
                               : std::vector<ValueId>{norm.inputs[1]};
    }
    if (!norm.is("Add")) return {};
    for (const std::size_t shift : {1, 0}) {
      const Node* const scale = producer_[static_cast<std::size_t>(norm.inputs[1 - shift])];
      if (!is_own_vector(norm, shift) || scale == nullptr || !scale->is("Mul") ||
          readers(scale->outputs[0]).size() != 1 || graph_.is_output(scale->outputs[0]))
        continue;
      for (const std::size_t by : {1, 0})
        if (is_own_vector(*scale, by)) return {scale->inputs[by], norm.inputs[shift]};
    }
    return {};
  }

  const Graph& graph_;
  std::vector<std::vector<const Node*>> readers_;
  std::vector<const Node*> producer_;
};

/// As it is written to a file: what is read again is the same.
float rounded(double factor) { return std::stof(fmt::format("{:.5g}", factor)); }

}  // namespace

std::map<std::string, std::vector<float>> smoothing_factors(
    const Graph& graph, const std::map<std::string, std::vector<float>>& most, double alpha) {
  std::map<std::string, std::vector<float>> factors;
  for (const Place& place : Places(graph).all()) {
    const auto seen = most.find(graph.value(place.value).name);
    const std::int64_t channels = graph.value(place.divided[0]).constant->dim(0);
    if (seen == most.end() || static_cast<std::int64_t>(seen->second.size()) != channels) continue;
    std::vector<float>& factor = factors[seen->first];
    for (std::int64_t j = 0; j < channels; ++j) {
      float weight = 0;
      for (const ValueId id : place.multiplied) {
        const Tensor& w = *graph.value(id).constant;
        for (std::int64_t n = 0; n < w.dim(1); ++n)
          weight = std::max(weight, std::abs(w.data<float>()[j * w.dim(1) + n]));
      }
      const double x = seen->second[static_cast<std::size_t>(j)],
                   s = std::pow(x, alpha) / std::pow(weight, 1 - alpha);
      factor.push_back(x > 0 && weight > 0 && std::isfinite(s) ? std::max(kLeastFactor, rounded(s)) : 1.0F);
    }
  }
  return factors;
}

ChangedConstants smoothed_constants(const Graph& graph,
                                    const std::map<std::string, TensorCalibration>& tensors,
                                    const std::string& where) {
  ChangedConstants changed;
  if (std::all_of(tensors.begin(), tensors.end(),
                  [](const auto& tensor) { return tensor.second.smooth.empty(); }))
    return changed;
  std::map<std::string, Place> places;
  for (const Place& place : Places(graph).all()) places[graph.value(place.value).name] = place;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.smooth.empty()) continue;
    const auto place = places.find(name);
    if (place == places.end() || graph.value(place->second.divided[0]).constant->dim(0) !=
                                     static_cast<std::int64_t>(tensor.smooth.size()))
      invalid_input(
          "{}: {} factors are to make \"{}\" smooth, which cannot take them; the file was made for another "
          "model: calibrate again",
          where, tensor.smooth.size(), name);
    const auto scaled = [&, &smooth = tensor.smooth](ValueId id, bool divide) {
      const Value& constant = graph.value(id);
      Tensor made = constant.constant->clone();
      const std::int64_t rows = made.dim(0), width = made.elements() / rows;
      for (std::int64_t i = 0; i < made.elements(); ++i) {
        const float s = smooth[static_cast<std::size_t>(i / width)];
        float& value = made.data<float>()[i];
        value = divide ? value / s : value * s;
      }
      changed[constant.name] = std::move(made);
    };
    for (const ValueId id : place->second.divided) scaled(id, true);
    for (const ValueId id : place->second.multiplied) scaled(id, false);
  }
  return changed;
}

void set_constants(Graph& graph, const ChangedConstants& changed) {
  for (std::size_t id = 0; id < graph.value_count(); ++id) {
    Value& value = graph.value(static_cast<ValueId>(id));
    const auto found = changed.find(value.name);
    if (value.is_constant() && found != changed.end()) value.constant = found->second;
  }
}

void set_constants(::onnx::ModelProto& model, const ChangedConstants& changed, const std::string& where) {
  std::size_t found = 0;
  for (auto& initializer : *model.mutable_graph()->mutable_initializer()) {
    const auto constant = changed.find(initializer.name());
    if (constant == changed.end()) continue;
    ++found;
    ::onnx::TensorProto made;
    onnx_ir::tensor_to_proto(constant->second.view(), initializer.name(), &made);
    initializer.Swap(&made);
  }
  if (found != changed.size())
    invalid_input("{}: weights that are to be made smooth are no initializers; quantize with --smooth 0",
                  where);
}

}  // namespace edgeclip::builder
