#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/backend.h"
#include "engine/graph/shape_inference.h"
#include "engine/runtime/session.h"

namespace edgeclip::engine {

/// What all specializations of a session share.
struct SessionParts {
  Graph graph;
  SessionOptions options;
  std::shared_ptr<kernels::Executor> executor;
  std::unique_ptr<Backend> backend;
  std::vector<std::unique_ptr<PreparedNode>> nodes;  ///< parallel to the graph's
  mutable std::atomic<bool> told_reference_layers{false};
};

/// A graph made ready for one set of input shapes: layouts chosen, buffers placed, kernels bound, everything
/// that follows from shapes alone computed.  Used by one thread at a time; run() does not allocate.
class Specialization {
 public:
  /// Throws InvalidInput if a shape does not fit an operator or the arena exceeds the memory pool.
  /// parts must outlive it.
  /// input_data: as in infer_shapes(); the result is good for inputs with this data alone.
  Specialization(const SessionParts& parts, const std::vector<Shape>& input_shapes,
                 const std::vector<std::optional<Tensor>>& input_data);

  std::vector<Context::Layer> layers() const;
  /// "NAME (OP)" of the layers that have something to compute and no kernel but the readable one.
  std::vector<std::string> reference_layers() const;

  std::int64_t activation_bytes() const { return planned_bytes_; }
  std::int64_t arena_bytes() const { return planned_bytes_ + static_cast<std::int64_t>(scratch_.needed()); }

  /// Type and shape of every output of the graph; data is null.
  std::vector<OutputView> outputs() const;
  const TensorView& output(std::size_t i) const { return values_[static_cast<std::size_t>(outputs_[i])]; }

  /// arena: at least arena_bytes(), 64-byte aligned.  inputs: data in the graph's order and shapes; int32
  /// where the graph wants int64 is widened.  outputs: as outputs() says, with memory of the caller's.
  void run(std::byte* arena, const std::vector<TensorView>& inputs, const std::vector<OutputView>& outputs,
           const Context::Observer& observer);

 private:
  /// Where a value's bytes are while the graph runs.
  struct Location {
    enum Kind { kAbsent, kFixed, kInput, kOutput, kArena } kind = kAbsent;
    const std::byte* fixed = nullptr;  ///< kFixed: a constant, or a value that follows from shapes
    std::int64_t index = 0;            ///< kInput, kOutput: which; kArena: offset
  };
  struct Step {
    const Node* node = nullptr;
    const PreparedNode* prepared = nullptr;  ///< none: a change of layout
    std::unique_ptr<Node> own_node;          ///< of a change of layout: what an observer sees
    Layouts layouts;
    std::unique_ptr<Kernel> kernel;
    Inputs inputs;
    Outputs outputs;
    std::vector<ValueId> input_values, output_values;  ///< whose locations the pointers are
  };
  /// A value that bytes are kept for, and from which step to which.
  struct Buffer {
    ValueId value = kNoValue;
    std::int64_t bytes = 0;
    int first = 0, last = 0;
  };

  class Planner;

  void bind_kernels();
  void check_pool(const std::vector<Shape>& input_shapes) const;
  const std::byte* address(ValueId id, std::byte* arena, const std::vector<TensorView>& inputs,
                           const std::vector<OutputView>& outputs) const;
  std::string name_of(ValueId id) const;

  const SessionParts& parts_;
  std::vector<Location> locations_;    ///< per value; behind the graph's, those of changed layout
  std::vector<std::int64_t> widened_;  ///< per graph input: offset of its int64 copy, -1 for other types
  std::vector<Tensor> computed_;       ///< values that follow from shapes, kept alive
  std::vector<TensorView> values_;     ///< dtype and shape per value; data is null
  std::vector<ValueId> sources_;       ///< of the values behind the graph's: what they are a copy of
  std::vector<Step> steps_;
  std::vector<Buffer> buffers_;
  std::vector<ValueId> outputs_;  ///< of the graph, in plain layout
  Scratch scratch_;
  std::int64_t planned_bytes_ = 0;
};

}  // namespace edgeclip::engine
