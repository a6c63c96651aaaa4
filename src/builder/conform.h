#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "builder/compare.h"
#include "engine/graph/graph.h"

/// Standard tests of ONNX runtimes: a folder with model.onnx, and inputs with the outputs they must give. Two
/// layouts are known:
///   test_data_set_K/input_I.pb, output_I.pb    of the onnx package, in the graph's order, TensorProto
///   set_K/in.NAME.npy, out.NAME.npy            by the values' names
namespace edgeclip::builder {

enum class ConformStatus { kPassed, kFailed, kUnsupported };

struct ConformCase {
  std::string name;  ///< of its folder
  ConformStatus status = ConformStatus::kPassed;
  std::string reason;  ///< of the other two
};

/// One set of inputs with what they must give, in the graph's order.
struct ConformData {
  std::string name;  ///< "test_data_set_0"
  std::vector<Tensor> inputs, outputs;
};

/// All sets of a folder, by name.  Throws InvalidInput (file, reason); there may be none.
std::vector<ConformData> read_conform_data(const std::filesystem::path& folder, const engine::Graph& graph);

/// Whether the outputs of a model are quantized somewhere on the way, so that integers may differ by 1.
bool rounds_to_integers(const engine::Graph& graph);

/// Runs the model of the folder on all of its sets, twice: as it is by the readable reference kernels, and
/// optimized by the kernels that a plan is run with.  What the engine refuses in the model is kUnsupported
/// where it only lacks it and kFailed else; never throws for a bad model or bad data.
ConformCase run_conform_case(const std::filesystem::path& folder, const Tolerance& tolerance,
                             const std::string& model = "model.onnx");

/// The folders at or below `root` that hold a model.onnx, by name.  Throws InvalidInput if there is none.
std::vector<std::filesystem::path> find_conform_cases(const std::filesystem::path& root);

}  // namespace edgeclip::builder
