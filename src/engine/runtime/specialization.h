#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/cpu/onednn.h"
#include "engine/runtime/session.h"

namespace edgeclip::engine {

/// A graph made ready for one set of input shapes: kernels chosen, buffers placed, everything that follows
/// from shapes alone computed.  Used by one thread at a time; run() does not allocate.
class Specialization {
 public:
  /// Throws InvalidInput if a shape does not fit an operator or the arena exceeds the memory pool.
  /// graph, weights and stream must outlive it.
  /// input_data: as in infer_shapes(); the result is good for inputs with this data alone.
  Specialization(const Graph& graph, const SessionOptions& options, const std::vector<Shape>& input_shapes,
                 const std::vector<std::optional<Tensor>>& input_data, PackedWeights& weights,
                 dnnl::stream& stream);

  std::vector<Context::Layer> layers() const;

  std::int64_t arena_bytes() const { return planned_bytes_ + scratch_bytes_; }

  /// arena: at least arena_bytes(), 64-byte aligned.  inputs: data in the graph's order and shapes; int32
  /// where the graph wants int64 is widened.  Returns the outputs, copied out of the arena.
  std::vector<Tensor> run(std::byte* arena, const std::vector<TensorView>& inputs,
                          const Context::Observer& observer);

 private:
  /// Where a value's bytes are while the graph runs.
  struct Location {
    enum Kind { kAbsent, kFixed, kInput, kArena } kind = kAbsent;
    const std::byte* fixed = nullptr;  ///< kFixed: a constant, or a value that follows from shapes
    std::int64_t index = 0;            ///< kInput: which input; kArena: offset
  };
  struct Step {
    const Node* node = nullptr;
    std::unique_ptr<Kernel> kernel;
    Inputs inputs;
    Outputs outputs;
    std::vector<ValueId> input_values, output_values;  ///< whose locations the pointers are
  };

  void plan(const std::vector<Shape>& input_shapes, const std::vector<std::optional<Tensor>>& input_data);
  void choose_kernels(bool reference, PackedWeights& weights, dnnl::stream& stream);
  void check_pool(std::int64_t pool_mb, const std::vector<Shape>& input_shapes) const;
  const std::byte* address(ValueId id, std::byte* arena, const std::vector<TensorView>& inputs) const;

  const Graph& graph_;
  std::vector<Location> locations_;    ///< per value
  std::vector<std::int64_t> widened_;  ///< per graph input: offset of its int64 copy, -1 for other types
  std::vector<Tensor> computed_;       ///< values that follow from shapes, kept alive
  std::vector<TensorView> values_;     ///< dtype and shape per value; data is null
  std::vector<Step> steps_;
  Scratch scratch_;
  std::int64_t planned_bytes_ = 0, scratch_bytes_ = 0;
};

}  // namespace edgeclip::engine
