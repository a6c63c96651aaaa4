#include <unordered_map>

#include "engine/ops/operator.h"
#include "engine/ops/families.h"

namespace edgeclip::engine {

namespace {

std::vector<Operator> collect() {
  std::vector<Operator> all;
  for (const auto* family :
       {&unary_operators(), &binary_operators(), &cast_operators(), &shape_operators(), &movement_operators(),
        &pad_operators(), &gather_operators(), &reduce_operators(), &softmax_operators(),
        &normalization_operators(), &matmul_operators(), &conv_operators(), &pool_operators(),
        &quantize_operators(), &fused_operators(), &quant_operators()})
    all.insert(all.end(), family->begin(), family->end());
  return all;
}

using Table = std::unordered_multimap<std::string, const Operator*>;

const Table& table() {
  static const Table names = [] {
    Table result;
    for (const auto& row : operators()) result.emplace(row.name, &row);
    return result;
  }();
  return names;
}

class ReferenceKernel : public Kernel {
 public:
  ReferenceKernel(const Operator& row, Node node) : row_(row), node_(std::move(node)) {}
  void run(const Inputs& inputs, const Outputs& outputs) override { row_.reference(node_, inputs, outputs); }
  std::string implementation() const override { return "reference"; }

 private:
  const Operator& row_;
  Node node_;
};

}  // namespace

const std::vector<Operator>& operators() {
  static const std::vector<Operator> all = collect();
  return all;
}

const Operator* find_operator(const std::string& domain, const std::string& name, int opset) {
  const auto [begin, end] = table().equal_range(name);
  for (auto it = begin; it != end; ++it) {
    const Operator& row = *it->second;
    if (domain == row.domain && opset >= row.min_opset && opset <= row.max_opset) return &row;
  }
  return nullptr;
}

std::unique_ptr<Kernel> make_reference_kernel(const Node& node) {
  const Operator* row = find_operator(node.domain, node.op, node.opset);
  EDGECLIP_CHECK(row, "no operator {}.{} of opset {}", node.domain, node.op, node.opset);
  return std::make_unique<ReferenceKernel>(*row, node);
}

}  // namespace edgeclip::engine
