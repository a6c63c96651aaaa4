// Whole models: what is known in symbols holds for the sizes that they run with.
#include <gtest/gtest.h>

#include "base/json.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "engine/symbolic_support.h"
#include "support/support.h"

namespace edgeclip::builder {

using namespace engine;
namespace test = edgeclip::test;

namespace {

/// Planes of an input (N, C, spatial...) get symbols of their own; gives the sizes that they had.
test::Sizes free_planes(Graph& graph) {
  test::Sizes sizes;
  for (const ValueId id : graph.inputs) {
    Value& value = graph.value(id);
    if (!value.shape || value.shape->size() < 4) continue;
    value.symbols.resize(value.shape->size());
    for (std::size_t d = 2; d < value.shape->size(); ++d) {
      if ((*value.shape)[d] < 0) continue;
      value.symbols[d] = fmt::format("plane{}", d);
      sizes[value.symbols[d]] = (*value.shape)[d];
      (*value.shape)[d] = -1;
    }
  }
  return sizes;
}

struct WholeModels : ::testing::TestWithParam<const char*> {};

TEST_P(WholeModels, SymbolsHoldForTheSizesThatTheyRunWith) {
  EDGECLIP_REQUIRE_PARITY(folder, GetParam());
  int graphs = 0;
  const Json manifest = read_json(folder / "manifest.json");
  for (const auto& entry : manifest["graphs"]) {
    const std::string name = entry["name"];
    SCOPED_TRACE(name);
    Graph graph = import_onnx(folder / name / "model.onnx");
    for (const bool optimized : {false, true}) {
      if (optimized) optimize(graph);
      const auto check = test::check_symbolic(graph, 8, 40);
      EXPECT_GE(check.runs, 1);
      EXPECT_EQ(check.opaque, 0);
      Graph freed = graph;
      const test::Sizes sizes = free_planes(freed);
      if (sizes.empty()) continue;
      const auto free_check = test::check_symbolic(freed, 8, 200, sizes);
      EXPECT_GE(free_check.runs, 1);
      EXPECT_EQ(free_check.opaque, 0);
    }
    ++graphs;
  }
  EXPECT_GE(graphs, 4);
}

INSTANTIATE_TEST_SUITE_P(Symbolic, WholeModels,
                         ::testing::Values("onnx/graphs", "zoo/graphs", "anomaly/graphs"));

}  // namespace
}  // namespace edgeclip::builder
