#pragma once

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "engine/graph/shape_inference.h"
#include "engine/ops/support.h"

/// What is known in symbols against the shape rules for known sizes.
namespace edgeclip::test {

using Sizes = std::map<std::string, std::int64_t>;

struct SymbolicCheck {
  int runs = 0;    ///< sizes with which the graph runs
  int opaque = 0;  ///< dimensions inside that are symbols of their own, of one run
};

inline void expect_dim(const engine::SymbolicDim& dim, std::int64_t size, Sizes& sizes,
                       const std::string& where) {
  if (dim.text()[0] == '?') sizes.emplace(dim.text(), size);  // from here on it must stay the same
  const auto value = dim.evaluate(sizes);
  ASSERT_TRUE(value) << where << ": " << dim.text() << " has no value";
  ASSERT_EQ(*value, size) << where << ": " << dim.text();
  ASSERT_LE(dim.at_least(), size) << where << ": " << dim.text();
}

inline void expect_elements(const engine::SymbolicValue& value, const Tensor& data, Sizes& sizes,
                            const std::string& where) {
  const auto elements = value.known_elements();
  if (!elements) return;
  for (std::size_t i = 0; i < elements->size(); ++i) {
    if ((*elements)[i].is_unknown()) continue;
    const std::int64_t want = data.dtype() == DType::i64   ? data.data<std::int64_t>()[i]
                              : data.dtype() == DType::i32 ? data.data<std::int32_t>()[i]
                                                           : static_cast<std::int64_t>(data.data<bool>()[i]);
    const auto got = (*elements)[i].evaluate(sizes);
    ASSERT_TRUE(got && *got == want) << where << "[" << i << "]: " << (*elements)[i].text() << " for "
                                     << want;
  }
}

/// Every fact at these sizes of the symbols of the graph's inputs.  Sizes that a rule refuses tell nothing.
inline void check_facts(const engine::Graph& graph, const engine::SymbolicFacts& facts, Sizes sizes,
                        SymbolicCheck& check) {
  std::vector<Shape> shapes;
  for (const auto id : graph.inputs) {
    shapes.emplace_back();
    for (const auto& dim : *facts.values[static_cast<std::size_t>(id)].shape)
      shapes.back().push_back(dim.evaluate(sizes).value());
  }
  std::vector<engine::ValueFacts> want;
  try {
    want = engine::infer_shapes(graph, shapes);
  } catch (const InvalidInput&) {
    return;
  }
  ++check.runs;
  check.opaque = 0;
  std::vector<engine::ValueId> order;  // as they are made
  for (const auto& node : graph.nodes()) order.insert(order.end(), node.outputs.begin(), node.outputs.end());
  for (const auto id : order) {
    if (id == engine::kNoValue) continue;
    const auto& got = facts.values[static_cast<std::size_t>(id)];
    const auto& known = want[static_cast<std::size_t>(id)];
    const std::string where = graph.value(id).name;
    if (got.dtype) {
      ASSERT_EQ(*got.dtype, known.dtype) << where;
    }
    if (!got.shape) {
      ++check.opaque;
      continue;
    }
    ASSERT_EQ(got.shape->size(), known.shape.size()) << where << " " << engine::shape_text(*got.shape);
    for (std::size_t d = 0; d < known.shape.size(); ++d) {
      check.opaque += (*got.shape)[d].text()[0] == '?';
      expect_dim((*got.shape)[d], known.shape[d], sizes, where);
    }
    if (got.data) {
      ASSERT_TRUE(known.data) << where;
    }
    if (known.data) expect_elements(got, *known.data, sizes, where);
  }
}

/// For `count` random sizes in [1, most] of all symbols, and the given ones first.
inline SymbolicCheck check_symbolic(const engine::Graph& graph, int count, std::int64_t most,
                                    Sizes given = {}) {
  const engine::SymbolicFacts facts = engine::infer_symbolic(graph);
  SymbolicCheck check;
  std::mt19937 random(1);
  for (int i = 0; i < count; ++i) {
    Sizes sizes;
    for (const auto id : graph.inputs)
      for (const auto& dim : *facts.values[static_cast<std::size_t>(id)].shape)
        if (!dim.constant())
          sizes[dim.text()] = 1 + static_cast<std::int64_t>(random() % static_cast<unsigned>(most));
    if (i == 0)
      for (const auto& [name, size] : given) sizes[name] = size;
    check_facts(graph, facts, sizes, check);
    if (::testing::Test::HasFatalFailure()) break;
  }
  return check;
}

}  // namespace edgeclip::test
