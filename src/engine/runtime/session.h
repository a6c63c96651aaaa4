#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/backend.h"
#include "engine/graph/graph.h"
#include "engine/ops/operator.h"
#include "engine/runtime/log.h"
#include "engine/runtime/memory_pool.h"
#include "kernels/executor.h"

namespace edgeclip::engine {

struct SessionOptions {
  /// Most memory of one context's activations and scratch; exceeding it is an InvalidInput.
  std::int64_t memory_pool_mb = 256;
  /// Threads that a run divides its work over, the calling one among them; 0: thread_count() of
  /// base/threads.h.
  int threads = 0;
  /// What runs divide their work over instead; none: the pool of `threads` that sessions of this process
  /// share.
  std::shared_ptr<kernels::Executor> executor;
  bool reference = false;  ///< reference kernels only: the oracle
  /// What all contexts of one or several sessions may hold together; none: each takes what it needs.
  std::shared_ptr<MemoryPool> pool;
  /// Keeps the weights that are packed for this CPU in a file beside the graph's plan, NAME.plan.packed-LEVEL, from
  /// which all sessions that ask for it map them: they share the memory, and start without packing, and without
  /// reading the plan's own.  Made by the first session, when it first runs, and again when it does not match (plan,
  /// version, damage).  Header and table are checked when a session starts, each weight's checksum when it is first
  /// used.  Where it cannot be written, a warning, and weights are private as without.  Without effect on graphs
  /// that were read from no plan, and on `reference`.
  bool packed_cache = false;
  /// Where messages go; none: to spdlog's default logger.  Debug: what a session holds, what shapes are made
  /// ready for and what they take.  Info, once per session: the layers that run by readable reference kernels,
  /// since nothing faster takes them.
  LogCallback log;
};

struct SessionParts;

/// A graph with its weights, ready to run: immutable, shared by contexts.  Thread-safe.
class Session {
 public:
  Session(Graph graph, const SessionOptions& options);
  ~Session();
  const Graph& graph() const;
  const SessionOptions& options() const;

  /// Bytes of weights kept packed for the CPU, beside those of the graph, so far; those of the packed cache, which
  /// are a file's, do not count.
  std::int64_t packed_bytes() const;

 private:
  friend class Context;
  std::shared_ptr<const SessionParts> parts_;
};

/// A node that has just been run.
struct NodeRun {
  const Node& node;
  const Inputs& inputs;  ///< one that the node was allowed to write over holds the output by now
  const Outputs& outputs;
  const Layouts& layouts;  ///< of inputs and outputs
  double seconds;
  const std::string& kernel;  ///< "reference", "onednn:brgemm_avx512_core_vnni", ...
};

/// Runs a session: owns the arena (planned by liveness; what a burst of large inputs took is given back after
/// a while) and the kernels bound per input shape, and keeps the recent shapes.  One thread at a time per context; make one per thread, they share weights.
class Context {
 public:
  explicit Context(const Session& session);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// Inputs in the graph's order; int32 token ids are widened where the graph wants int64.  Outputs in the
  /// graph's order. Throws InvalidInput (which input, expected and given shape).
  std::vector<Tensor> run(const std::vector<TensorView>& inputs);

  /// The same into memory of the caller's: outputs as output_views() describes them, with data.  Once shapes
  /// have been seen, allocates nothing (what dnnl_primitive_execute and the readable kernels allocate apart).
  void run(const std::vector<TensorView>& inputs, const std::vector<OutputView>& outputs);
  /// Type and shape of every output for these inputs (makes them ready); data is null.
  std::vector<OutputView> output_views(const std::vector<TensorView>& inputs);

  /// Called for every node after it ran: calibration and profiling.
  using Observer = std::function<void(const NodeRun& run)>;
  void set_observer(Observer observer);

  /// Which kernel every node got for these input shapes (makes them ready), in the order they run.
  struct Layer {
    std::string name, op, kernel;
  };
  std::vector<Layer> layers(const std::vector<Shape>& input_shapes);

  /// Bytes of the arena for these input shapes (makes them ready): activations, which are the same on every
  /// machine, and the scratch of this machine's kernels.
  struct ArenaBytes {
    std::int64_t activations = 0, scratch = 0;
  };
  ArenaBytes arena_bytes(const std::vector<Shape>& input_shapes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace edgeclip::engine
