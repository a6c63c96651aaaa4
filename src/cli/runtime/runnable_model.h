#pragma once

#include <optional>
#include <string>
#include <vector>

#include "builder/dump_graph.h"
#include "engine/plan/plan.h"

namespace edgeclip {

/// What `run` runs: an ONNX file, a plan folder or a .plan file.
struct RunnableModel {
  std::string path;  ///< as it was named
  engine::Graph graph;
  std::optional<engine::PlanInfo> plan;  ///< that the graph is of
  std::string name;                      ///< in the plan
  /// Constants of the file, which no --input sets: of an ONNX file those before any rewrite.
  std::vector<std::string> constants;
};

/// Whether the path names a plan, whose precision is its own.
bool is_plan(const std::string& path);

/// Opens it.  graph: which of a plan's graphs, "" where there is one.  A .plan file in the folder of its plan
/// is opened as that folder's graph.  An ONNX file is optimized, unless it is to run as it is (plain), and
/// made `precision` (builder/precision/); the graph before and after goes to the dump.  Throws InvalidInput.
RunnableModel open_runnable(const std::string& path, const std::string& graph, bool plain,
                            const std::string& precision, builder::GraphDump& dump);

/// An array of --input NAME=F.npy.
struct RunInput {
  std::string name, file;
  Tensor tensor;
};

/// The arrays of --input in the order of the graph's inputs, of the types and shapes that it takes (graph:
/// that of the model, which may have been moved out of it).  Throws InvalidInput naming the file.
std::vector<RunInput> read_inputs(const RunnableModel& model, const engine::Graph& graph,
                                  const std::vector<std::string>& given);

std::vector<TensorView> views_of(const std::vector<RunInput>& inputs);

/// Throws InvalidInput, naming the file, for a shape that the model's plan was not built for.
void check_plan_shapes(const RunnableModel& model, const engine::Graph& graph,
                       const std::vector<RunInput>& inputs);

/// What the engine said while the model ran, with the model's name before it and, where the values of its
/// inputs are to blame, their files behind it.
std::string with_files(const InvalidInput& error, const std::string& model,
                       const std::vector<RunInput>& inputs);

}  // namespace edgeclip
