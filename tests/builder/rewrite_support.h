#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph/shape_inference.h"
#include "engine/graph_support.h"
#include "engine/ops/interpreter.h"

/// Graphs before and after a rewrite.
namespace edgeclip::test {

/// A float32 tensor without regularity, of elements up to `size`.
inline Tensor ramp(const Shape& shape, float size = 2) {
  Tensor t(DType::f32, shape);
  for (std::int64_t i = 0; i < t.elements(); ++i)
    t.data<float>()[i] = std::sin(static_cast<float>(i) * 0.7F) * size;
  return t;
}

/// A GraphMaker with what graphs of rewrites are made of.
struct RewriteMaker : GraphMaker {
  engine::ValueId ints(const std::vector<std::int64_t>& values) {
    return constant<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
  }
  engine::ValueId weights(const Shape& shape, float size = 0.3F) {
    return graph.add_constant("w" + std::to_string(graph.value_count()), ramp(shape, size));
  }
  /// A node of edgeclip's own operators.
  engine::ValueId fused(const std::string& op, std::vector<engine::ValueId> inputs,
                        std::map<std::string, engine::Attribute> attributes = {}) {
    const auto id = node(op, std::move(inputs), std::move(attributes), 1);
    graph.nodes().back().domain = "edgeclip";
    return id;
  }
};

/// Runs the graph (float32 inputs of these shapes) before and after `pass`: same names of outputs, same
/// results. Leaves the graph after it in `m` and returns the number of rewrites.
template <class Pass>
int rewrites_of(GraphMaker& m, Pass pass, std::vector<engine::ValueId> outputs,
                const std::vector<Shape>& shapes = {{2, 4}}) {
  m.graph.outputs = std::move(outputs);
  engine::annotate_shapes(m.graph);
  engine::Graph after = m.graph;
  const int rewrites = pass(after);
  after.check();
  std::vector<Tensor> inputs;
  std::vector<TensorView> views;
  for (const auto& shape : shapes) inputs.push_back(ramp(shape));
  for (const auto& input : inputs) views.push_back(input.view());
  const auto want = engine::run_reference(m.graph, views), got = engine::run_reference(after, views);
  EXPECT_EQ(want.size(), got.size());
  for (std::size_t k = 0; k < want.size(); ++k) {
    EXPECT_EQ(want[k].shape(), got[k].shape());
    EXPECT_EQ(m.graph.value(m.graph.outputs[k]).name, after.value(after.outputs[k]).name);
    if (want[k].dtype() != DType::f32) continue;
    for (std::int64_t i = 0; i < want[k].elements(); ++i)
      EXPECT_NEAR(want[k].data<float>()[i], got[k].data<float>()[i], 1e-5F) << i;
  }
  m.graph = std::move(after);
  return rewrites;
}

}  // namespace edgeclip::test

namespace edgeclip::builder {

using ::edgeclip::test::count_ops;
using ::edgeclip::test::GraphMaker;
using ::edgeclip::test::ramp;
using ::edgeclip::test::RewriteMaker;
using ::edgeclip::test::rewrites_of;

}  // namespace edgeclip::builder
