#include "builder/conform.h"

#include <onnx/onnx_pb.h>

#include <algorithm>

#include "base/file.h"
#include "base/io_error.h"
#include "base/npy.h"
#include "base/signals.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "engine/ops/interpreter.h"
#include "engine/ops/support.h"
#include "engine/runtime/session.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {

using namespace engine;
namespace fs = std::filesystem;

namespace {

constexpr const char* kModel = "model.onnx";

Tensor read_pb(const fs::path& path) {
  ::onnx::TensorProto proto;
  if (!proto.ParseFromString(read_file(path)))
    invalid_input("{}: is no TensorProto; copy the test again", path.string());
  return onnx_ir::tensor_from_proto(proto, path.parent_path(), path.string());
}

std::vector<fs::path> folders_of(const fs::path& folder, const std::string& beginning) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory() && entry.path().filename().string().rfind(beginning, 0) == 0)
      found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<Tensor> read_named(const fs::path& folder, const Graph& graph, const std::vector<ValueId>& ids,
                               const char* prefix) {
  std::vector<Tensor> tensors;
  for (const ValueId id : ids) tensors.push_back(read_npy(folder / (prefix + graph.value(id).name + ".npy")));
  return tensors;
}

std::vector<TensorView> views_of(const std::vector<Tensor>& tensors) {
  std::vector<TensorView> views;
  for (const Tensor& tensor : tensors) views.push_back(tensor.view());
  return views;
}

std::string compare_outputs(const std::vector<Tensor>& got, const ConformData& data,
                            const Tolerance& tolerance, const char* how) {
  for (std::size_t i = 0; i < got.size(); ++i)
    if (const std::string wrong = difference(got[i], data.outputs.at(i), tolerance); !wrong.empty())
      return fmt::format("{}: output {} {} ({})", data.name, i, wrong, how);
  return "";
}

/// "" or what differs.
std::string run_sets(const fs::path& folder, const std::string& model, Tolerance tolerance) {
  const Graph plain = import_onnx(folder / model);
  if (rounds_to_integers(plain)) tolerance.integers = std::max<std::int64_t>(tolerance.integers, 1);
  Graph optimized = plain;
  optimize(optimized);
  SessionOptions options;
  options.memory_pool_mb = 1 << 14;  // what is checked here are values, not memory
  options.log = silent_log();
  const Session session(std::move(optimized), options);
  Context context(session);
  const std::vector<ConformData> sets = read_conform_data(folder, plain);
  if (sets.empty()) return "has no test_data_set_* and no set_*";
  for (const ConformData& data : sets) {
    throw_if_interrupted();
    const std::vector<TensorView> inputs = views_of(data.inputs);
    std::string wrong = compare_outputs(run_reference(plain, inputs), data, tolerance, "reference kernels");
    if (wrong.empty()) wrong = compare_outputs(context.run(inputs), data, tolerance, "as in a plan");
    if (!wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace

std::vector<ConformData> read_conform_data(const fs::path& folder, const Graph& graph) {
  std::vector<ConformData> sets;
  for (const fs::path& set : folders_of(folder, "test_data_set_")) {
    ConformData data{set.filename().string(), {}, {}};
    for (std::size_t i = 0; i < graph.inputs.size(); ++i)
      data.inputs.push_back(read_pb(set / fmt::format("input_{}.pb", i)));
    for (std::size_t i = 0; i < graph.outputs.size(); ++i)
      data.outputs.push_back(read_pb(set / fmt::format("output_{}.pb", i)));
    sets.push_back(std::move(data));
  }
  for (const fs::path& set : folders_of(folder, "set_"))
    sets.push_back({set.filename().string(), read_named(set, graph, graph.inputs, "in."),
                    read_named(set, graph, graph.outputs, "out.")});
  return sets;
}

bool rounds_to_integers(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& node) {
    return node.op.find("Quantize") != std::string::npos || node.op.rfind("QLinear", 0) == 0;
  });
}

ConformCase run_conform_case(const fs::path& folder, const Tolerance& tolerance, const std::string& model) {
  ConformCase result;
  result.name = fs::absolute(folder).lexically_normal().filename().string();
  try {
    result.reason = run_sets(folder, model, tolerance);
    result.status = result.reason.empty() ? ConformStatus::kPassed : ConformStatus::kFailed;
  } catch (const Unsupported& error) {
    result.status = ConformStatus::kUnsupported;
    result.reason = error.what();
  } catch (const InvalidInput& error) {
    result.status = ConformStatus::kFailed;
    result.reason = error.what();
  }
  return result;
}

std::vector<fs::path> find_conform_cases(const fs::path& root) {
  require_directory(root, "folder of tests");
  std::vector<fs::path> found;
  if (file_type_at(root / kModel) == fs::file_type::regular) found.push_back(root);
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.is_directory() && file_type_at(entry.path() / kModel) == fs::file_type::regular)
      found.push_back(entry.path());
  if (found.empty())
    invalid_input("{}: holds no folder with a {}; name a folder of ONNX tests", root.string(), kModel);
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace edgeclip::builder
