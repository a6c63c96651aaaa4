// Sessions on models made by other libraries: planned memory and oneDNN kernels, through a plan file and
// back.
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/npy.h"
#include "builder/compare.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "engine/plan/plan_file.h"
#include "engine/runtime/session.h"
#include "engine/small_graphs.h"
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
          EXPECT_EQ(difference(outputs[i], want, {0, entry["tolerance_max_abs"]}), "")
              << (context == &first ? "as imported" : "as planned");
          ++compared;
        }
      }
    }
  }
  EXPECT_GE(compared, 40);
}

}  // namespace
}  // namespace edgeclip::builder
