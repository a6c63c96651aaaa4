#pragma once

#include <gtest/gtest.h>

#include <cmath>

#include "builder/quantize/quantize_layers.h"
#include "builder/rewrite_support.h"
#include "support/support.h"

/// Small graphs of layers that become int8, and how close they stay.
namespace edgeclip::builder::int8_layers {

using namespace engine;

/// x (batch, 4, 8) and layers behind it.
struct Layers : RewriteMaker {
  ValueId x = input("x", DType::f32, {-1, 4, 8}, {"batch", "", ""});

  ValueId weights(const Shape& shape, float size = 0.5F) { return RewriteMaker::weights(shape, size); }
  const std::string& name(ValueId id) const { return graph.value(id).name; }
};

/// -2 .. 2, a step of 1/64
inline constexpr ActivationScale kScale{4.0F / 255, 128};

inline std::vector<Tensor> run(const Graph& graph, const Shape& shape = {3, 4, 8}) {
  const Tensor x = ramp(shape);
  return run_reference(graph, {x.view()});
}

/// 10 log10(sum want^2 / sum (want - got)^2)
inline double ratio(const Tensor& want, const Tensor& got) {
  EXPECT_EQ(want.shape(), got.shape());
  double signal = 0, noise = 1e-30;
  for (std::int64_t i = 0; i < want.elements(); ++i) {
    const double y = static_cast<double>(want.data<float>()[i]),
                 e = y - static_cast<double>(got.data<float>()[i]);
    signal += y * y;
    noise += e * e;
  }
  return 10 * std::log10(signal / noise);
}

/// Outputs set, shapes annotated.
inline Graph finished(Layers& m, std::vector<ValueId> outputs) {
  m.graph.outputs = std::move(outputs);
  annotate_shapes(m.graph);
  return m.graph;
}

}  // namespace edgeclip::builder::int8_layers
