#include "engine/ops/einsum.h"

#include <algorithm>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Einsum: out[output labels] = sum over the other labels of the product of the operands, as one nest of
/// loops. A label that an operand repeats walks its diagonal.
namespace edgeclip::engine {

namespace {

using Labels = Contraction::Labels;

constexpr int kEllipsisLabel = 256;  ///< dimension i of "..." is label 256 + i; letters are their ASCII codes

/// "ab...c" with the ellipsis standing for `ellipsis` dimensions.
Labels einsum_labels(const Node& node, const std::string& term, std::int64_t ellipsis) {
  Labels labels;
  bool dots = false;
  for (std::size_t i = 0; i < term.size(); ++i) {
    const char c = term[i];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      labels.push_back(c);
    } else if (term.compare(i, 3, "...") == 0 && !dots) {
      for (std::int64_t d = 0; d < ellipsis; ++d) labels.push_back(kEllipsisLabel + static_cast<int>(d));
      dots = true;
      i += 2;
    } else {
      refuse(node, "equation term '{}' is not valid", printable(term));
    }
  }
  return labels;
}

bool has_ellipsis(const std::string& term) { return term.find("...") != std::string::npos; }

std::vector<std::string> split_terms(const std::string& left) {
  std::vector<std::string> terms(1);
  for (const char c : left) {
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  }
  return terms;
}

/// How many dimensions "..." stands for: the same everywhere.
std::int64_t ellipsis_dimensions(const Node& node, const std::vector<std::string>& terms,
                                 const Inputs& inputs) {
  std::int64_t count = -1;
  for (std::size_t p = 0; p < terms.size(); ++p) {
    const auto rank = static_cast<std::int64_t>(inputs[p].shape.size());
    const bool dots = has_ellipsis(terms[p]);
    const std::int64_t letters = static_cast<std::int64_t>(terms[p].size()) - (dots ? 3 : 0);
    if (dots ? letters > rank : letters != rank)
      refuse(node, "equation term '{}' for operand {}, {}", printable(terms[p]), p,
             shape_string(inputs[p].shape));
    if (!dots) continue;
    if (count >= 0 && count != rank - letters)
      refuse(node, "the equation's ellipsis stands for {} and for {} dimensions", count, rank - letters);
    count = rank - letters;
  }
  return count;
}

/// Every label's extent: equal wherever it occurs, or 1, which broadcasts.
void find_extents(const Node& node, const Inputs& inputs, Contraction& c) {
  for (std::size_t p = 0; p < c.operands.size(); ++p) {
    std::map<int, std::int64_t> own;
    for (std::size_t d = 0; d < c.operands[p].size(); ++d) {
      const int label = c.operands[p][d];
      const std::int64_t extent = inputs[p].shape[d];
      if (const auto [it, first] = own.emplace(label, extent); !first && it->second != extent)
        refuse(node, "operand {} has no diagonal: {}", p, shape_string(inputs[p].shape));
      std::int64_t& known = c.extents.emplace(label, extent).first->second;
      if (known != extent && known != 1 && extent != 1)
        refuse(node, "one label is {} and {} long (operand {}, {})", known, extent, p,
               shape_string(inputs[p].shape));
      if (known == 1) known = extent;
    }
  }
}

/// Without "->": the ellipsis, then the labels that occur once, in ASCII order.
Labels implicit_output(const std::vector<Labels>& operands, std::int64_t ellipsis) {
  std::map<int, int> uses;
  for (const Labels& labels : operands)
    for (const int label : labels) ++uses[label];
  Labels output;
  for (std::int64_t d = 0; d < ellipsis; ++d) output.push_back(kEllipsisLabel + static_cast<int>(d));
  for (const auto& [label, count] : uses)
    if (label < kEllipsisLabel && count == 1) output.push_back(label);
  return output;
}

}  // namespace

Contraction contraction_of(const Node& node, const Inputs& inputs) {
  std::string equation = node.string_or("equation", "");
  equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
  const std::size_t arrow = equation.find("->");
  const std::vector<std::string> terms = split_terms(equation.substr(0, arrow));
  if (terms.size() != inputs.size())
    refuse(node, "the equation has {} terms for {} operands", terms.size(), inputs.size());
  const std::int64_t ellipsis = ellipsis_dimensions(node, terms, inputs);
  Contraction c;
  for (const std::string& term : terms)
    c.operands.push_back(einsum_labels(node, term, std::max<std::int64_t>(ellipsis, 0)));
  find_extents(node, inputs, c);

  if (arrow == std::string::npos) {
    c.output = implicit_output(c.operands, ellipsis);
  } else {
    const std::string right = equation.substr(arrow + 2);
    if (has_ellipsis(right) != (ellipsis >= 0))
      refuse(node, "the equation has an ellipsis on one side of '->' only");
    c.output = einsum_labels(node, right, std::max<std::int64_t>(ellipsis, 0));
    for (auto it = c.output.begin(); it != c.output.end(); ++it)
      if (!c.extents.count(*it) || std::find(c.output.begin(), it, *it) != it)
        refuse(node, "output term '{}' repeats a label, or has one that no operand has", printable(right));
  }
  for (const auto& [label, extent] : c.extents)
    if (std::find(c.output.begin(), c.output.end(), label) == c.output.end()) c.summed.push_back(label);
  return c;
}

namespace {

void infer_einsum(ShapeContext& context) {
  constexpr std::uint64_t kMostProducts = std::uint64_t{1} << 40;  // hours; beyond it, a hostile file
  constexpr std::size_t kMostLabels = 64;
  const Node& node = context.node;
  const DType dtype = context.inputs[0].dtype;
  for (std::size_t i = 1; i < context.inputs.size(); ++i) require_same_dtype(context, 0, i);
  if (!is_float(dtype) && !is_integer(dtype)) unsupported_type(node, dtype);
  const Contraction c = contraction_of(node, context.inputs);
  if (c.extents.size() > kMostLabels)
    unsupported(node, "{} labels are more than {}", c.extents.size(), kMostLabels);
  Shape shape, loops;
  for (const int label : c.output) shape.push_back(c.extents.at(label));
  for (const auto& [label, extent] : c.extents) loops.push_back(extent);
  std::uint64_t products = 0;
  if (!checked_num_elements(loops, &products) || products > kMostProducts)
    unsupported(node, "its loops over {} are too long", shape_string(loops));
  add_output(context, dtype, shape);
}

/// A nest of loops, the last one innermost, and where each operand is in it.
class LoopNest {
 public:
  LoopNest(const Contraction& c, const Inputs& inputs) : offsets_(inputs.size(), 0) {
    Labels order = c.output;
    order.insert(order.end(), c.summed.begin(), c.summed.end());
    index_.assign(order.size(), 0);
    for (const int label : order) extents_.push_back(c.extents.at(label));
    for (std::size_t p = 0; p < inputs.size(); ++p) {
      const Shape own = strides_of(inputs[p].shape);
      Shape strides(order.size(), 0);
      for (std::size_t d = 0; d < own.size(); ++d) {
        if (inputs[p].shape[d] == 1) continue;  // broadcasts
        const auto at = std::find(order.begin(), order.end(), c.operands[p][d]) - order.begin();
        strides[static_cast<std::size_t>(at)] += own[d];  // a repeated label walks the diagonal
      }
      strides_.push_back(strides);
    }
  }
  /// One step of loops [begin, end), which start over after their last one.
  void step(std::size_t begin, std::size_t end) {
    for (std::size_t d = end; d-- > begin;) {
      for (std::size_t p = 0; p < offsets_.size(); ++p) offsets_[p] += strides_[p][d];
      if (++index_[d] < extents_[d]) return;
      for (std::size_t p = 0; p < offsets_.size(); ++p) offsets_[p] -= strides_[p][d] * extents_[d];
      index_[d] = 0;
    }
  }
  std::size_t depth() const { return extents_.size(); }
  std::int64_t length(std::size_t begin, std::size_t end) const { return product(extents_, begin, end); }
  std::int64_t offset(std::size_t p) const { return offsets_[p]; }

 private:
  Shape extents_, index_;
  std::vector<Shape> strides_;
  Shape offsets_;
};

void run_einsum(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Contraction c = contraction_of(node, inputs);
  LoopNest nest(c, inputs);
  const std::size_t outer = c.output.size();
  const std::int64_t products = nest.length(outer, nest.depth());
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    using W = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;  // integers wrap around
    std::vector<const T*> x;
    for (const TensorView& input : inputs) x.push_back(input.as<T>());
    T* y = outputs[0].as<T>();
    for (std::int64_t o = 0, n = outputs[0].elements(); o < n; ++o) {
      W sum = 0;
      for (std::int64_t r = 0; r < products; ++r) {
        W term = 1;
        for (std::size_t p = 0; p < x.size(); ++p) term *= static_cast<W>(x[p][nest.offset(p)]);
        sum += term;
        nest.step(outer, nest.depth());
      }
      y[o] = static_cast<T>(sum);
      nest.step(0, outer);
    }
  });
}

}  // namespace

std::int64_t einsum_multiplications(const Node& node, const Inputs& inputs) {
  std::int64_t products = 1;
  const Contraction c = contraction_of(node, inputs);
  for (const auto& [label, extent] : c.extents) products *= extent;
  return products * (static_cast<std::int64_t>(inputs.size()) - 1);
}

const std::vector<Operator>& einsum_operators() {
  static const std::vector<Operator> rows = {
      {"Einsum", "", 12, kNewestOpset, infer_einsum, run_einsum, 1, Operator::kAnyNumber, 1, "equation:s!"},
  };
  return rows;
}

}  // namespace edgeclip::engine
