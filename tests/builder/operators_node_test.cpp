#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "base/npy.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "engine/ops/interpreter.h"
#include "engine/ops/operator.h"
#include "engine/ops/support.h"
#include "onnx/graph_builder.h"
#include "support/support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

namespace fs = std::filesystem;

Tensor read_pb(const fs::path& path) {
  ::onnx::TensorProto proto;
  if (!proto.ParseFromString(read_file(path))) throw std::runtime_error(path.string());
  return onnx_ir::tensor_from_proto(proto, path.parent_path(), path.string());
}

double element(const TensorView& t, std::int64_t i) {
  switch (t.dtype) {
    case DType::f32:
      return static_cast<double>(t.as<float>()[i]);
    case DType::f64:
      return t.as<double>()[i];
    case DType::i8:
      return t.as<std::int8_t>()[i];
    case DType::u8:
      return t.as<std::uint8_t>()[i];
    case DType::i16:
      return t.as<std::int16_t>()[i];
    case DType::u16:
      return t.as<std::uint16_t>()[i];
    case DType::i32:
      return t.as<std::int32_t>()[i];
    case DType::u32:
      return t.as<std::uint32_t>()[i];
    case DType::boolean:
      return t.as<bool>()[i];
    default:
      return 0;
  }
}

/// "" or what differs.  Integers and bool exactly (within 1 where quantized), floats within rtol, atol; NaN
/// equals NaN.
std::string difference(const Tensor& got, const Tensor& want, double rtol, double atol, bool quantized) {
  if (got.dtype() != want.dtype())
    return fmt::format("is {}, not {}", dtype_name(got.dtype()), dtype_name(want.dtype()));
  if (got.shape() != want.shape())
    return fmt::format("is {}, not {}", shape_string(got.shape()), shape_string(want.shape()));
  const bool real = got.dtype() == DType::f32 || got.dtype() == DType::f64;
  if (!real && !quantized) return std::memcmp(got.raw(), want.raw(), got.bytes()) == 0 ? "" : "differs";
  for (std::int64_t i = 0; i < got.elements(); ++i) {
    const double g = element(got.view(), i), w = element(want.view(), i);
    if (std::isnan(g) && std::isnan(w)) continue;
    if (g == w) continue;
    const double most = real ? atol + rtol * std::fabs(w) : 1;
    if (!(std::fabs(g - w) <= most)) return fmt::format("element {} is {}, not {}", i, g, w);
  }
  return "";
}

struct Count {
  int passed = 0, failed = 0, unsupported = 0;
};

/// Runs one model on all its data sets; as imported and, for the passes, optimized.
std::string run_case(const fs::path& folder, const char* model, int sets, double rtol, double atol,
                     bool quantized) {
  Graph plain = import_onnx(folder / model);
  Graph optimized = plain;
  optimize(optimized);
  for (int set = 0; set < sets; ++set) {
    const fs::path data = folder / fmt::format("test_data_set_{}", set);
    std::vector<Tensor> inputs;
    std::vector<TensorView> views;
    for (std::size_t i = 0; i < plain.inputs.size(); ++i)
      inputs.push_back(read_pb(data / fmt::format("input_{}.pb", i)));
    for (const auto& input : inputs) views.push_back(input.view());
    for (const Graph* graph : {&plain, &optimized}) {
      const auto outputs = run_reference(*graph, views);
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        const std::string wrong =
            difference(outputs[i], read_pb(data / fmt::format("output_{}.pb", i)), rtol, atol, quantized);
        if (!wrong.empty())
          return fmt::format("output {} {}{}", i, wrong, graph == &optimized ? " (optimized)" : "");
      }
    }
  }
  return "";
}

TEST(OperatorsGolden, OnnxNodeTests) {
  EDGECLIP_REQUIRE_PARITY(folder, "onnx/node");
  const Json manifest = read_json(folder / "manifest.json");
  Count count;
  std::map<std::string, int> missing;
  for (const auto& entry : manifest["tests"]) {
    if (entry["onnxruntime"] == "differs") continue;  // informative only
    const std::string name = entry["name"], op = entry["op"];
    const bool quantized =
        op.find("Quantize") != std::string::npos || op.find("QLinear") != std::string::npos;
    for (const char* model : {"model.onnx", "model_opset17.onnx"}) {
      if (!fs::exists(folder / name / model)) continue;
      std::string wrong;
      try {
        wrong = run_case(folder / name, model, entry["data_sets"], entry["rtol"],
                         std::max(entry["atol"].get<double>(), 1e-6), quantized);
      } catch (const Unsupported& error) {
        ++count.unsupported;
        ++missing[op];
        if (std::getenv("EDGECLIP_SHOW_UNSUPPORTED")) fmt::print("{}/{}: {}\n", name, model, error.what());
        continue;
      } catch (const InvalidInput& error) {
        wrong = error.what();
      }
      wrong.empty() ? ++count.passed : ++count.failed;
      EXPECT_EQ(wrong, "") << name << "/" << model;
    }
  }
  std::string list;
  for (const auto& [op, n] : missing) list += fmt::format(" {}({})", op, n);
  fmt::print("onnx/node: {} passed, {} failed, {} unsupported:{}\n", count.passed, count.failed,
             count.unsupported, list);
  RecordProperty("passed", count.passed);
  RecordProperty("unsupported", count.unsupported);
  EXPECT_EQ(count.failed, 0);
  EXPECT_GE(count.passed, 660);
}

/// Every small whole model of the parity set, as imported and optimized, against onnxruntime.
TEST(OperatorsGolden, WholeGraphs) {
  EDGECLIP_REQUIRE_PARITY(folder, "onnx/graphs");
  const Json manifest = read_json(folder / "manifest.json");
  for (const auto& entry : manifest["graphs"]) {
    const std::string name = entry["name"];
    SCOPED_TRACE(name);
    Graph plain = import_onnx(folder / name / "model.onnx");
    Graph optimized = plain;
    std::string passes;
    for (const auto& report : optimize(optimized))
      if (report.rewrites) passes += fmt::format(" {}={}", report.name, report.rewrites);
    fmt::print("{}: {} -> {} nodes;{}\n", name, plain.nodes().size(), optimized.nodes().size(), passes);
    EXPECT_LE(optimized.nodes().size(), plain.nodes().size());
    for (int set = 0; set < static_cast<int>(entry["sets"].size()); ++set) {
      const fs::path data = folder / name / fmt::format("set_{}", set);
      std::vector<Tensor> inputs;
      std::vector<TensorView> views;
      for (const ValueId id : plain.inputs)
        inputs.push_back(read_npy(data / ("in." + plain.value(id).name + ".npy")));
      for (const auto& input : inputs) views.push_back(input.view());
      for (const Graph* graph : {&plain, &optimized}) {
        const auto outputs = run_reference(*graph, views);
        for (std::size_t i = 0; i < outputs.size(); ++i) {
          const Tensor want = read_npy(data / ("out." + graph->value(graph->outputs[i]).name + ".npy"));
          EXPECT_EQ(difference(outputs[i], want, 0, entry["tolerance_max_abs"], false), "")
              << (graph == &plain ? "plain" : "optimized");
        }
      }
    }
  }
}

}  // namespace
}  // namespace edgeclip::builder
