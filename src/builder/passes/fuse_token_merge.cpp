#include "builder/passes/fuse_token_merge.h"

#include <algorithm>

#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

// T tokens, Ta even and Tb odd ones, of which Ta - r and Tb are left.
//
// keys ─► Reshape (B, T, H, Dh) ─► ReduceMean(2) ─► L2Normalize ─┬─► even ──────────────────► MatMul ─► likeness
//                                                                └─► odd ─► Transpose(0,2,1) ──►┘
// likeness ─► TopK(1) ─┬─► most ─► Add(first row out) ─► TopK(Ta - r, smallest) ─► indices ─► TopK(in order) = kept
//                      └─► nearest (B, Ta, 1)
// kept ─► Equal(0 ... Ta-1) ─► Cast = keep (B, Ta - r, Ta) ─► ReduceSum(1) ─► Sub from 1 = merged (B, 1, Ta)
// nearest ─► Transpose(0,2,1) ─► Equal(0 ... Tb-1) ─► Cast ─► Mul(merged) = move (B, Tb, Ta)
//
// x ─► Mul(sizes) ─► Concat(sizes) ─┬─► even ─┬─► MatMul(keep, .) ─────────────► Concat(1) ─┬─► [0, W) ──► Div ─► y
//                                   │         └─► MatMul(move, .) ─► Add ───────────►┘      └─► [W, W+1) ─►┘ = merged sizes
//                                   └─► odd ──────────────────────────►┘
//                                             ⇒  y, merged sizes = TokenMerge(x, keys, sizes; num_heads, count, epsilon)
// Refuses what is written otherwise: another axis, order or constant, a number of tokens that is not known, another type
// than float32, and what others read between the first and the last of these nodes.
namespace edgeclip::builder {

using namespace engine;

namespace {

class FuseTokenMerge {
 public:
  FuseTokenMerge(const Graph& graph, const GraphIndex& index, const ShapeFacts& facts)
      : graph_(graph), index_(index), facts_(facts) {}

  /// Rewrites node i, the Concat of the rows that are left.
  bool rewrite(Graph& graph, std::size_t i) {
    const Node& rows = graph_.nodes()[i];
    nodes_ = {&rows};
    if (rows.inputs.size() != 2 || rows.int_or("axis", 0) != 1 || !find_parts(rows) || !find_matching()) return false;
    const auto ends = ends_of(rows.outputs[0]);
    if (!ends) return false;
    for (const Node* end : {ends->sums, ends->sizes, ends->quotient}) nodes_.push_back(end);
    values_.push_back(rows.outputs[0]);
    values_.push_back(ends->sums->outputs[0]);
    if (!index_.read_only_by(nodes_, values_)) return false;

    const ValueId y = ends->quotient->outputs[0], merged_sizes = ends->sizes->outputs[0];
    for (const Node* end : {ends->sums, ends->sizes, ends->quotient}) release(graph, *end, graph.nodes()[i]);
    Node& node = graph.nodes()[i];
    node.name = ends->quotient->name;
    node.outputs = {y, merged_sizes};
    become(node, "TokenMerge", {x_, keys_, sizes_}, {{"num_heads", heads_}, {"count", sources_ - stay_}, {"epsilon", epsilon_}});
    return true;
  }

 private:
  struct Ends {
    const Node *sums, *sizes, *quotient;
  };

  /// The node that gives `id`, if it is `op`; it goes into the pattern, and so does id.
  const Node* step(ValueId id, const char* op, const char* domain = "") {
    const Node* node = index_.producer(id);
    if (!node || !node->is(op, domain)) return nullptr;
    nodes_.push_back(node);
    values_.push_back(id);
    return node;
  }

  const Tensor* integers(ValueId id) const {
    if (id == kNoValue) return nullptr;
    const auto& constant = graph_.value(id).constant;
    return constant && constant->dtype() == DType::i64 ? &*constant : nullptr;
  }
  std::optional<std::int64_t> integer(ValueId id) const {
    const Tensor* t = integers(id);
    return t && t->elements() == 1 ? std::optional(*t->data<std::int64_t>()) : std::nullopt;
  }
  /// Whether the value is 0, 1, ... n - 1 of this shape.
  bool counts(ValueId id, const Shape& shape) const {
    const Tensor* t = integers(id);
    if (!t || t->shape() != shape) return false;
    for (std::int64_t k = 0; k < t->elements(); ++k)
      if (t->data<std::int64_t>()[k] != k) return false;
    return true;
  }
  /// What a Slice along one axis of [start, start + step, ... end) is cut from.
  ValueId cut(const Node& slice, std::int64_t axis, std::int64_t start, std::int64_t least_end, std::int64_t step) const {
    if (!slice.is("Slice") || slice.inputs.size() < 4 || integer(slice.inputs[1]) != start ||
        integer(slice.inputs[3]) != axis || integer(slice.inputs[2]).value_or(0) < least_end)
      return kNoValue;
    const auto by = slice.has_input(4) ? integer(slice.inputs[4]) : 1;
    return by == step ? slice.inputs[0] : kNoValue;
  }
  /// What `id` is every other row of, from `start` on.
  ValueId every_other(ValueId id, std::int64_t start) {
    const Node* slice = step(id, "Slice");
    return slice ? cut(*slice, 1, start, tokens_, 2) : kNoValue;
  }
  ValueId turned(ValueId id) {
    const Node* turn = step(id, "Transpose");
    return turn && turn->ints_or("perm", {}) == std::vector<std::int64_t>{0, 2, 1} ? turn->inputs[0] : kNoValue;
  }
  /// The TopK that gives `id` as its output `output`, along this axis.
  const Node* top(ValueId id, std::size_t output, std::int64_t axis, std::int64_t k, bool largest) {
    const Node* node = step(id, "TopK");
    if (!node || node->outputs.size() != 2 || node->outputs[output] != id || node->opset < 11 ||
        node->int_or("axis", -1) != axis || integer(node->inputs[1]) != k || (node->int_or("largest", 1) != 0) != largest ||
        node->int_or("sorted", 1) == 0)
      return nullptr;
    return node;
  }
  /// What is compared with 0, 1, ... and becomes 1 where it is equal, else 0.
  ValueId one_hot(ValueId id, const Shape& numbers) {
    const Node* cast = step(id, "Cast");
    const Node* equal = cast && cast->int_or("to", 0) == 1 ? step(cast->inputs[0], "Equal") : nullptr;
    return equal && counts(equal->inputs[1], numbers) ? equal->inputs[0] : kNoValue;
  }

  /// From the rows that are left up to x, sizes, keep and move, and how many of what there are.
  bool find_parts(const Node& rows) {
    const Node *stay = step(rows.inputs[0], "MatMul"), *sum = step(rows.inputs[1], "Add");
    const Node* moved = sum ? step(sum->inputs[0], "MatMul") : nullptr;
    if (!stay || !moved || stay->inputs[1] != moved->inputs[1]) return false;
    keep_ = stay->inputs[0];
    move_ = moved->inputs[0];
    const Node* even = index_.producer(stay->inputs[1]);
    const Node* all = even && even->is("Slice") ? step(even->inputs[0], "Concat") : nullptr;
    if (!all || all->inputs.size() != 2 || all->int_or("axis", 0) != 2) return false;
    const Node* weighted = step(all->inputs[0], "Mul");
    if (!weighted || weighted->inputs[1] != all->inputs[1]) return false;
    x_ = weighted->inputs[0];
    sizes_ = all->inputs[1];

    const auto &x = facts_.symbolic(x_), &sizes = facts_.symbolic(sizes_), &left = facts_.symbolic(keep_);
    if (!x || x->size() != 3 || facts_.dtype(x_) != DType::f32 || !sizes || sizes->size() != 3 || (*sizes)[0] != (*x)[0] ||
        (*sizes)[1] != (*x)[1] || (*sizes)[2] != 1 || !left || left->size() != 3)
      return false;
    const auto tokens = (*x)[1].constant(), width = (*x)[2].constant(), kept = (*left)[1].constant();
    if (!tokens || !width || !kept) return false;
    tokens_ = *tokens, width_ = *width, stay_ = *kept;
    sources_ = (tokens_ + 1) / 2, targets_ = tokens_ / 2;
    const ValueId whole = all->outputs[0];
    return stay_ >= 1 && stay_ < sources_ && every_other(stay->inputs[1], 0) == whole && every_other(sum->inputs[1], 1) == whole;
  }

  /// From keep and move up to the keys.
  bool find_matching() {
    const Node* order = top(one_hot(keep_, {sources_}), 0, 1, stay_, false);
    const Node* chosen = order ? top(order->inputs[0], 1, 1, stay_, false) : nullptr;
    const Node* guarded = chosen ? step(chosen->inputs[0], "Add") : nullptr;
    if (!guarded || !keeps_first(guarded->inputs[1])) return false;
    const Node* nearest = top(guarded->inputs[0], 0, 2, 1, true);
    if (!nearest) return false;

    const Node* move = step(move_, "Mul");
    const Node* merged = move ? step(move->inputs[1], "Sub") : nullptr;
    const Node* kept = merged && scalar(graph_, merged->inputs[0]) == 1.0 ? step(merged->inputs[1], "ReduceSum") : nullptr;
    if (!kept || kept->inputs[0] != keep_ || reduced_axis(graph_, *kept) != 1) return false;
    if (turned(one_hot(move->inputs[0], {targets_, 1})) != nearest->outputs[1]) return false;

    const Node* likeness = step(nearest->inputs[0], "MatMul");
    if (!likeness) return false;
    const ValueId units = every_other(likeness->inputs[0], 0);
    return units != kNoValue && every_other(turned(likeness->inputs[1]), 1) == units && find_keys(units);
  }

  bool find_keys(ValueId units) {
    const Node* norm = step(units, "L2Normalize", "edgeclip");
    if (!norm || (norm->int_or("axis", -1) != -1 && norm->int_or("axis", -1) != 2)) return false;
    epsilon_ = norm->float_or("epsilon", 0);
    const Node* mean = step(norm->inputs[0], "ReduceMean");
    if (!mean || mean->int_or("keepdims", 1) != 0) return false;
    auto axes = mean->ints_or("axes", {});
    if (const auto axis = mean->has_input(1) ? integer(mean->inputs[1]) : std::nullopt) axes = {*axis};
    const Node* heads = axes == std::vector<std::int64_t>{2} ? step(mean->inputs[0], "Reshape") : nullptr;
    if (!heads) return false;
    keys_ = heads->inputs[0];
    // Somebody else may read the heads: an attention does.
    values_.pop_back();
    const auto &apart = facts_.symbolic(heads->outputs[0]), &whole = facts_.symbolic(keys_), &x = facts_.symbolic(x_);
    if (!apart || apart->size() != 4 || !whole || whole->size() != 3 || facts_.dtype(keys_) != DType::f32) return false;
    const auto count = (*apart)[2].constant(), size = (*apart)[3].constant(), width = (*whole)[2].constant();
    if (!count || !size || !width || *count < 1 || *count * *size != *width) return false;
    heads_ = *count;
    const auto of_x = [&](const SymbolicShape& shape) { return shape[0] == (*x)[0] && shape[1] == (*x)[1]; };
    return of_x(*apart) && of_x(*whole);
  }

  /// Added to what lies in [-1, 1], whether it puts the first below all others and leaves those.
  bool keeps_first(ValueId id) const {
    if (id == kNoValue) return false;
    const auto& constant = graph_.value(id).constant;
    if (!constant || constant->dtype() != DType::f32 || constant->shape() != Shape{sources_, 1}) return false;
    const float* values = constant->data<float>();
    return values[0] <= -3 && std::all_of(values + 1, values + sources_, [](float v) { return v == 0; });
  }

  std::optional<Ends> ends_of(ValueId rows) const {
    Ends ends{};
    for (const std::size_t i : graph_.consumers(rows)) {
      const Node& node = graph_.nodes()[i];
      if (!index_.alive(i)) continue;
      if (cut(node, 2, 0, width_, 1) == rows && integer(node.inputs[2]) == width_)
        ends.sums = &node;
      else if (cut(node, 2, width_, width_ + 1, 1) == rows)
        ends.sizes = &node;
      else
        return {};
    }
    if (!ends.sums || !ends.sizes) return {};
    for (const std::size_t i : graph_.consumers(ends.sums->outputs[0]))
      if (index_.alive(i)) ends.quotient = &graph_.nodes()[i];
    if (!ends.quotient || !ends.quotient->is("Div") ||
        ends.quotient->inputs != std::vector<ValueId>{ends.sums->outputs[0], ends.sizes->outputs[0]})
      return {};
    return ends;
  }

  /// Its output becomes another node's: it gives one that nobody reads.
  static void release(Graph& graph, const Node& end, Node& by) {
    add_origins(by, end);
    auto& node = graph.nodes()[static_cast<std::size_t>(&end - graph.nodes().data())];
    Value nothing = graph.value(node.outputs[0]);
    nothing.name += "/merged";
    node.outputs = {graph.add_value(std::move(nothing))};
  }

  const Graph& graph_;
  const GraphIndex& index_;
  const ShapeFacts& facts_;
  std::vector<const Node*> nodes_;
  std::vector<ValueId> values_;  ///< between the nodes
  ValueId x_ = kNoValue, keys_ = kNoValue, sizes_ = kNoValue, keep_ = kNoValue, move_ = kNoValue;
  std::int64_t tokens_ = 0, width_ = 0, sources_ = 0, targets_ = 0, stay_ = 0, heads_ = 0;
  float epsilon_ = 0;
};

}  // namespace

int fuse_token_merge(Graph& graph) {
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& node) { return node.is("TopK"); })) return 0;
  const ShapeFacts facts(graph);
  return rewrite_nodes(graph, [&](Graph& g, const GraphIndex& index, std::size_t i) {
    return g.nodes()[i].is("Concat") && FuseTokenMerge(g, index, facts).rewrite(g, i);
  });
}

}  // namespace edgeclip::builder
