#pragma once

#include <map>
#include <utility>
#include <vector>

#include "engine/runtime/specialization.h"

namespace edgeclip::engine {

/// Turns the nodes of a graph into the steps of a Specialization: what follows from shapes is computed,
/// views get no step, layouts are chosen and changed where neighbours differ, and every value gets a place:
/// a constant, an input, the caller's output, or an offset in the arena.
class Specialization::Planner {
 public:
  explicit Planner(Specialization& s) : s_(s), graph_(s.parts_.graph) {}

  void plan(const std::vector<Shape>& input_shapes, const std::vector<std::optional<Tensor>>& input_data);

 private:
  void take_facts(const std::vector<ValueFacts>& facts);
  void find_views();
  void find_last_uses();
  bool is_view(const Node& node) const;
  void add_step(std::size_t node);
  ValueId add_value(TensorView view, ValueId source);
  /// The value in another layout: itself, or a copy made by a step of its own.
  ValueId in_layout(ValueId id, Layout wanted);
  void new_buffer(ValueId id, int step);
  void read(ValueId id, int step);
  void place_outputs();
  void place_buffers();

  const TensorView& view(ValueId id) const { return s_.values_[static_cast<std::size_t>(id)]; }
  Location& location(ValueId id) { return s_.locations_[static_cast<std::size_t>(id)]; }
  ValueId root(ValueId id) const { return root_[static_cast<std::size_t>(id)]; }
  int& buffer(ValueId id) { return buffer_[static_cast<std::size_t>(id)]; }

  Specialization& s_;
  const Graph& graph_;
  std::vector<ValueId> root_;        ///< whose bytes a value is: a view is its source's, as is what is in place
  std::vector<Layout> layout_;       ///< of the root's bytes
  std::vector<int> buffer_;          ///< per root: index into buffers_; -1: none
  std::vector<std::size_t> last_use_;  ///< per value: the last node that reads it or a view of it
  std::map<std::pair<ValueId, Layout>, ValueId> copies_;
};

}  // namespace edgeclip::engine
