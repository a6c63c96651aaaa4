#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/graph/graph.h"
#include "engine/ops/operator.h"

namespace edgeclip::engine {

struct SessionOptions {
  std::int64_t memory_pool_mb =
      256;                 ///< most memory of one context's activations; exceeding it is an InvalidInput
  bool reference = false;  ///< reference kernels only: the oracle
};

/// A graph with its weights, ready to run: immutable, shared by contexts.  Thread-safe.
class Session {
 public:
  Session(Graph graph, const SessionOptions& options);
  ~Session();
  const Graph& graph() const;
  const SessionOptions& options() const;

 private:
  friend class Context;
  struct State;
  std::shared_ptr<State> state_;
};

/// A node that has just been run.
struct NodeRun {
  const Node& node;
  const Inputs& inputs;
  const Outputs& outputs;
  double seconds;
  const std::string& kernel;  ///< "reference", "onednn:brgemm_avx512_core_vnni", ...
};

/// Runs a session: owns the arena (planned by liveness) and the kernels made ready per input shape, and keeps
/// a few recent shapes.  One thread at a time per context; make one per thread, they share weights.
class Context {
 public:
  explicit Context(const Session& session);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// Inputs in the graph's order; int32 token ids are widened where the graph wants int64.  Outputs in the
  /// graph's order. Throws InvalidInput (which input, expected and given shape).
  std::vector<Tensor> run(const std::vector<TensorView>& inputs);

  /// Called for every node after it ran: calibration and profiling.
  using Observer = std::function<void(const NodeRun& run)>;
  void set_observer(Observer observer);

  /// Which kernel every node got for these input shapes (makes them ready), in the order they run.
  struct Layer {
    std::string name, op, kernel;
  };
  std::vector<Layer> layers(const std::vector<Shape>& input_shapes);

  /// Bytes of the arena for these input shapes (makes them ready).
  std::int64_t arena_bytes(const std::vector<Shape>& input_shapes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace edgeclip::engine
