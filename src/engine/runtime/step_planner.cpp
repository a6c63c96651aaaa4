#include "engine/runtime/step_planner.h"

#include <algorithm>

#include "engine/ops/support.h"
#include "engine/runtime/memory_planner.h"

namespace edgeclip::engine {

void Specialization::Planner::plan(const std::vector<Shape>& input_shapes,
                                   const std::vector<std::optional<Tensor>>& input_data) {
  take_facts(infer_shapes(graph_, input_shapes, input_data));
  find_views();
  find_last_uses();
  for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
    const ValueId id = graph_.inputs[i];
    location(id) = {Location::kInput, nullptr, static_cast<std::int64_t>(i)};
    if (graph_.value(id).dtype == DType::i64) new_buffer(id, 0);  // where int32 ids are widened to
  }
  for (std::size_t n = 0; n < graph_.nodes().size(); ++n) {
    const Node& node = graph_.nodes()[n];
    const bool known = std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
      return id == kNoValue || location(id).kind == Location::kFixed;
    });
    if (known) continue;  // computed once, from shapes
    if (!is_view(node)) {
      add_step(n);
    } else if (layout_[static_cast<std::size_t>(root(node.inputs[0]))] != Layout::plain) {
      // Another shape of the same bytes: they must lie as the first shape says.
      root_[static_cast<std::size_t>(node.outputs[0])] = root(in_layout(node.inputs[0], Layout::plain));
    } else {
      root_[static_cast<std::size_t>(node.outputs[0])] = root(node.inputs[0]);
    }
  }
  place_outputs();
  place_buffers();
}

void Specialization::Planner::take_facts(const std::vector<ValueFacts>& facts) {
  const std::size_t count = graph_.value_count();
  s_.values_.resize(count);
  s_.locations_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    s_.values_[i] = {facts[i].dtype, facts[i].shape, nullptr};
    std::uint64_t elements = 0;
    if (facts[i].known && !checked_num_elements(facts[i].shape, &elements))
      invalid_input("{}: {} holds too many elements", graph_.value(static_cast<ValueId>(i)).name,
                    shape_string(facts[i].shape));
    const auto& constant = graph_.value(static_cast<ValueId>(i)).constant;
    if (constant) {
      s_.locations_[i] = {Location::kFixed, constant->raw(), 0};
    } else if (facts[i].data) {
      s_.computed_.push_back(*facts[i].data);
      s_.locations_[i] = {Location::kFixed, s_.computed_.back().raw(), 0};
    }
  }
  root_.resize(count);
  for (std::size_t i = 0; i < count; ++i) root_[i] = static_cast<ValueId>(i);
  layout_.assign(count, Layout::plain);
  buffer_.assign(count, -1);
}

/// Nodes whose output is the input's bytes under another shape: no kernel runs for them.
bool Specialization::Planner::is_view(const Node& node) const {
  if (node.inputs.empty() || node.inputs[0] == kNoValue || node.outputs[0] == kNoValue) return false;
  for (const char* op : {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
    if (node.is(op)) return true;
  return node.is("Cast") && view(node.inputs[0]).dtype == view(node.outputs[0]).dtype;
}

/// As find_last_uses() needs them; layouts come later and may cut a view from its source.
void Specialization::Planner::find_views() {
  for (const Node& node : graph_.nodes())
    if (is_view(node) && location(node.outputs[0]).kind == Location::kAbsent)
      root_[static_cast<std::size_t>(node.outputs[0])] = root(node.inputs[0]);
}

void Specialization::Planner::find_last_uses() {
  last_use_.assign(root_.size(), 0);
  const auto use = [&](ValueId id, std::size_t n) {
    if (id != kNoValue) last_use_[static_cast<std::size_t>(root(id))] = n;
  };
  for (std::size_t n = 0; n < graph_.nodes().size(); ++n)
    for (const ValueId id : graph_.nodes()[n].inputs) use(id, n);
  for (const ValueId id : graph_.outputs) use(id, graph_.nodes().size());
  for (std::size_t i = 0; i < root_.size(); ++i) last_use_[i] = last_use_[static_cast<std::size_t>(root_[i])];
  for (std::size_t i = 0; i < root_.size(); ++i) root_[i] = static_cast<ValueId>(i);
}

ValueId Specialization::Planner::add_value(TensorView value, ValueId source) {
  const auto id = static_cast<ValueId>(s_.values_.size());
  s_.values_.push_back(std::move(value));
  s_.sources_.push_back(source);
  s_.locations_.emplace_back();
  root_.push_back(id);
  layout_.push_back(Layout::plain);
  buffer_.push_back(-1);
  last_use_.push_back(graph_.nodes().size());  // kept for whoever asks for this layout again
  return id;
}

void Specialization::Planner::new_buffer(ValueId id, int step) {
  buffer(id) = static_cast<int>(s_.buffers_.size());
  s_.buffers_.push_back({id, static_cast<std::int64_t>(view(id).bytes()), step, step});
}

void Specialization::Planner::read(ValueId id, int step) {
  const int b = buffer(root(id));
  if (b < 0) return;
  int& last = s_.buffers_[static_cast<std::size_t>(b)].last;
  last = std::max(last, step);
}

ValueId Specialization::Planner::in_layout(ValueId id, Layout wanted) {
  wanted = normalized(wanted, view(id).shape);
  const Layout given = layout_[static_cast<std::size_t>(root(id))];
  if (given == wanted) return id;
  const auto [it, missing] = copies_.try_emplace({id, wanted}, kNoValue);
  if (!missing) return it->second;
  const ValueId copy = it->second = add_value(view(id), id);
  layout_[static_cast<std::size_t>(copy)] = wanted;
  const int step = static_cast<int>(s_.steps_.size());
  read(id, step);
  new_buffer(copy, step);
  Step made;
  made.own_node = std::make_unique<Node>();
  made.own_node->name = s_.name_of(id);
  made.own_node->op = "Reorder";
  made.own_node->domain = "edgeclip";
  made.node = made.own_node.get();
  made.layouts = {{given}, {wanted}};
  made.inputs = {view(id)};
  made.outputs = {{view(id).dtype, view(id).shape, nullptr}};
  made.input_values = {id};
  made.output_values = {copy};
  s_.steps_.push_back(std::move(made));
  return copy;
}

void Specialization::Planner::add_step(std::size_t n) {
  const Node& node = graph_.nodes()[n];
  Step made;
  made.node = &node;
  made.prepared = s_.parts_.nodes[n].get();
  std::vector<Layout> given;
  for (const ValueId id : node.inputs) {
    made.inputs.push_back(id == kNoValue ? TensorView{} : view(id));
    given.push_back(id == kNoValue ? Layout::plain : layout_[static_cast<std::size_t>(root(id))]);
  }
  for (const ValueId id : node.outputs)
    made.outputs.push_back(id == kNoValue ? OutputView{} : OutputView{view(id).dtype, view(id).shape, nullptr});
  made.layouts = made.prepared->layouts(made.inputs, made.outputs, given);
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    made.input_values.push_back(
        node.inputs[i] == kNoValue ? kNoValue : in_layout(node.inputs[i], made.layouts.inputs[i]));
  made.output_values = node.outputs;

  const int step = static_cast<int>(s_.steps_.size());
  for (const ValueId id : made.input_values)
    if (id != kNoValue) read(id, step);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const ValueId id = node.outputs[i];
    if (id == kNoValue) continue;
    layout_[static_cast<std::size_t>(id)] = normalized(made.layouts.outputs[i], view(id).shape);
    // Over an input that nobody reads again, if the kernel allows it.
    for (std::size_t k = 0; i == 0 && k < node.inputs.size() && root(id) == id; ++k) {
      const ValueId input = made.input_values[k];
      if (input == kNoValue || buffer(root(input)) < 0 || location(root(input)).kind != Location::kAbsent)
        continue;
      const bool dies = last_use_[static_cast<std::size_t>(input)] == n &&
                        std::count(node.inputs.begin(), node.inputs.end(), node.inputs[k]) == 1;
      if (!dies || view(input).bytes() != view(id).bytes() ||
          !made.prepared->in_place(k, made.inputs, made.outputs))
        continue;
      bool other = false;  // a view of the same bytes among the other inputs
      for (std::size_t j = 0; j < node.inputs.size(); ++j)
        other = other || (j != k && made.input_values[j] != kNoValue &&
                          root(made.input_values[j]) == root(input));
      if (other) continue;
      root_[static_cast<std::size_t>(id)] = root(input);
      layout_[static_cast<std::size_t>(root(input))] = layout_[static_cast<std::size_t>(id)];
    }
    if (root(id) == id)
      new_buffer(id, step);
    else
      read(id, step);
  }
  s_.steps_.push_back(std::move(made));
}

/// Outputs are computed where the caller wants them; those that are an input, a constant, or the bytes of
/// another output are copied at the end.
void Specialization::Planner::place_outputs() {
  const int end = static_cast<int>(s_.steps_.size()) + 1;  // a change of layout may be one more step
  for (const ValueId id : graph_.outputs) s_.outputs_.push_back(in_layout(id, Layout::plain));
  for (std::size_t i = 0; i < s_.outputs_.size(); ++i) {
    const ValueId at = root(s_.outputs_[i]);
    if (buffer(at) < 0) continue;
    read(at, end);
    if (location(at).kind == Location::kAbsent)
      location(at) = {Location::kOutput, nullptr, static_cast<std::int64_t>(i)};
  }
}

void Specialization::Planner::place_buffers() {
  std::vector<BufferLife> lives;
  for (const Buffer& b : s_.buffers_) {
    const bool elsewhere = location(b.value).kind == Location::kOutput;
    lives.push_back({elsewhere ? 0 : b.bytes, b.first, b.last});
  }
  const MemoryPlan memory = plan_memory(lives);
  // At least one line, so that no address in the arena is null: null says "left out".
  s_.planned_bytes_ = std::max(memory.total, kArenaAlignment);
  s_.widened_.assign(graph_.inputs.size(), -1);
  for (std::size_t i = 0; i < graph_.inputs.size(); ++i)
    if (const int b = buffer(graph_.inputs[i]); b >= 0)
      s_.widened_[i] = memory.offsets[static_cast<std::size_t>(b)];
  for (std::size_t i = 0; i < s_.locations_.size(); ++i)
    if (buffer_[i] >= 0 && s_.locations_[i].kind == Location::kAbsent)
      s_.locations_[i] = {Location::kArena, nullptr, memory.offsets[static_cast<std::size_t>(buffer_[i])]};
  for (std::size_t i = 0; i < s_.locations_.size(); ++i)
    if (root_[i] != static_cast<ValueId>(i)) s_.locations_[i] = s_.locations_[static_cast<std::size_t>(root_[i])];
}

}  // namespace edgeclip::engine
