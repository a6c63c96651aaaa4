#include <gtest/gtest.h>

#include "base/json.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "engine/ops/interpreter.h"
#include "support/support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// Loads, optimizes and runs on zeros (3 for every dynamic dimension).
void use(const std::filesystem::path& file) {
  Graph graph = import_onnx(file);
  optimize(graph);
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    Shape shape = value.shape.value_or(Shape{});
    for (auto& d : shape) d = d < 0 ? 3 : d;
    inputs.emplace_back(value.dtype, shape);
  }
  std::vector<TensorView> views;
  for (const auto& input : inputs) views.push_back(input.view());
  run_reference(graph, views);
}

/// The names that the manifest's sentence puts in quotes must be in our message.
std::vector<std::string> quoted(const std::string& sentence) {
  std::vector<std::string> names;
  std::size_t at = 0;
  while ((at = sentence.find('\'', at)) != std::string::npos) {
    const std::size_t end = sentence.find('\'', at + 1);
    if (end == std::string::npos) break;
    const std::string name = sentence.substr(at + 1, end - at - 1);
    if (name.find(' ') == std::string::npos) names.push_back(name);
    at = end + 1;
  }
  return names;
}

TEST(ImportMalformedGolden, EveryBrokenModelIsAClearError) {
  EDGECLIP_REQUIRE_PARITY(folder, "onnx/malformed");
  const Json manifest = read_json(folder / "manifest.json");
  ASSERT_GE(manifest["files"].size(), 40U);
  for (const auto& entry : manifest["files"]) {
    const std::string file = entry["file"], expected = entry["expected"];
    SCOPED_TRACE(file + ": " + expected);
    std::string message;
    try {
      use(folder / file);
    } catch (const InvalidInput& error) {
      message = error.what();
    }
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    if (expected.rfind("valid model", 0) == 0) {
      EXPECT_EQ(message, "");
      continue;
    }
    const bool may_load = expected.find("or a normal load") != std::string::npos ||
                          expected.find("or a load") != std::string::npos ||
                          expected.find("or names compared") != std::string::npos ||
                          expected.find("or defined saturation") != std::string::npos;
    if (message.empty()) {
      EXPECT_TRUE(may_load) << "no error";
      continue;
    }
    if (expected.rfind("error", 0) != 0) continue;
    for (const auto& name : quoted(expected))
      EXPECT_NE(message.find(name), std::string::npos) << name << " in: " << message;
  }
}

}  // namespace
}  // namespace edgeclip::builder
