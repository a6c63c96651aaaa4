// Sessions on models made by other libraries: planned memory and oneDNN kernels, through a plan file and
// back.
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <cstring>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "base/npy.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "engine/ops/interpreter.h"
#include "engine/plan/plan_file.h"
#include "engine/runtime/session.h"
#include "engine/small_graphs.h"
#include "onnx/graph_builder.h"
#include "support/support.h"

namespace edgeclip::builder {

using namespace engine;
namespace test = engine::test;

namespace {

namespace fs = std::filesystem;

std::vector<TensorView> views_of(const std::vector<Tensor>& tensors) {
  std::vector<TensorView> views;
  for (const Tensor& t : tensors) views.push_back(t.view());
  return views;
}

/// "" or what differs; floats within atol + rtol |want|, NaN and infinities equal themselves, other types
/// exactly.
std::string difference(const Tensor& got, const Tensor& want, double rtol, double atol) {
  if (got.dtype() != want.dtype() || got.shape() != want.shape())
    return fmt::format("{} {} instead of {} {}", dtype_name(got.dtype()), shape_string(got.shape()),
                       dtype_name(want.dtype()), shape_string(want.shape()));
  if (got.dtype() != DType::f32)
    return got.bytes() == 0 || std::memcmp(got.raw(), want.raw(), got.bytes()) == 0 ? "" : "other bytes";
  for (std::int64_t i = 0; i < got.elements(); ++i) {
    const double g = static_cast<double>(got.data<float>()[i]),
                 w = static_cast<double>(want.data<float>()[i]);
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    if (!(std::fabs(g - w) <= atol + rtol * std::fabs(w)))
      return fmt::format("element {} is {} instead of {}", i, g, w);
  }
  return "";
}

TEST(SessionGolden, WholeGraphs) {
  EDGECLIP_REQUIRE_PARITY(folder, "onnx/graphs");
  const test::TempDir dir;
  int compared = 0;
  const Json manifest = read_json(folder / "manifest.json");
  for (const auto& entry : manifest["graphs"]) {
    const std::string name = entry["name"];
    SCOPED_TRACE(name);
    const Graph plain = import_onnx(folder / name / "model.onnx");
    Graph optimized = plain;
    optimize(optimized);
    write_plan_graph(dir / "a.plan", optimized);
    const Session as_imported(plain, {}), as_planned(read_plan_graph(dir / "a.plan"), {});
    Context first(as_imported), second(as_planned);
    for (int set = 0; set < static_cast<int>(entry["sets"].size()); ++set) {
      const fs::path data = folder / name / fmt::format("set_{}", set);
      std::vector<Tensor> inputs;
      for (const ValueId id : plain.inputs)
        inputs.push_back(read_npy(data / ("in." + plain.value(id).name + ".npy")));
      for (Context* context : {&first, &second}) {
        const std::vector<Tensor> outputs = context->run(views_of(inputs));
        for (std::size_t i = 0; i < outputs.size(); ++i) {
          const Tensor want = read_npy(data / ("out." + plain.value(plain.outputs[i]).name + ".npy"));
          EXPECT_EQ(difference(outputs[i], want, 0, entry["tolerance_max_abs"]), "")
              << (context == &first ? "as imported" : "as planned");
          ++compared;
        }
      }
    }
  }
  EXPECT_GE(compared, 40);
}

/// Each operator by the session, alone in its graph, against the interpreter: what oneDNN takes and what it
/// leaves.
TEST(SessionGolden, OnnxNodeTests) {
  EDGECLIP_REQUIRE_PARITY(folder, "onnx/node");
  int compared = 0;
  const Json manifest = read_json(folder / "manifest.json");
  for (const auto& entry : manifest["tests"]) {
    const std::string name = entry["name"];
    SCOPED_TRACE(name);
    Graph graph;
    try {
      graph = import_onnx(folder / name / "model.onnx");
    } catch (const InvalidInput&) {
      continue;  // an operator the engine does not have; the importer's tests count them
    }
    std::vector<Tensor> inputs, expected;
    const fs::path data = folder / name / "test_data_set_0";
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
      ::onnx::TensorProto proto;
      ASSERT_TRUE(proto.ParseFromString(read_file(data / fmt::format("input_{}.pb", i))));
      inputs.push_back(onnx_ir::tensor_from_proto(proto, data, name));
    }
    std::string refused;
    try {
      expected = run_reference(graph, views_of(inputs));
    } catch (const InvalidInput& error) {
      refused = error.what();
    }
    const Session session(graph, {});
    Context context(session);
    if (!refused.empty()) {
      EXPECT_THROW(context.run(views_of(inputs)), InvalidInput) << refused;
      continue;
    }
    std::vector<Tensor> outputs;
    try {
      outputs = context.run(views_of(inputs));
    } catch (const InvalidInput& error) {
      // A shape that depends on the data of an input: the interpreter knows the data, a session prepares for
      // shapes.
      EXPECT_NE(std::string(error.what()).find("must follow from constants"), std::string::npos)
          << error.what();
      continue;
    }
    ASSERT_EQ(outputs.size(), expected.size());
    for (std::size_t i = 0; i < outputs.size(); ++i)
      EXPECT_EQ(difference(outputs[i], expected[i], 1e-4, 1e-6), "") << "output " << i;
    ++compared;
  }
  EXPECT_GE(compared, 200);
}

}  // namespace
}  // namespace edgeclip::builder
