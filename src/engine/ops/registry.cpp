#include <algorithm>
#include <sstream>
#include <unordered_map>

#include "base/float16.h"
#include "engine/ops/families.h"
#include "engine/ops/operator.h"

namespace edgeclip::engine {

namespace {

std::vector<Operator> collect() {
  std::vector<Operator> all;
  for (const auto* family :
       {&unary_operators(), &binary_operators(), &cast_operators(), &shape_operators(), &movement_operators(),
        &pad_operators(), &gather_operators(), &reduce_operators(), &softmax_operators(),
        &normalization_operators(), &matmul_operators(), &conv_operators(), &pool_operators(),
        &quantize_operators(), &fused_operators(), &quant_operators(), &quant_gather_operators(),
        &quant_conv_operators(), &quantize_rows_operators(), &layer_norm_quantize_operators(),
        // indices, bits, activations and products
        &activation_operators(), &bitwise_operators(), &topk_operators(), &scatter_operators(),
        &one_hot_operators(), &einsum_operators(), &attention_operators(), &rotary_operators(),
        &reverse_sequence_operators(), &determinant_operators()})
    all.insert(all.end(), family->begin(), family->end());
  for (const auto* family :
       {&conv_transpose_operators(), &resize_operators(), &grid_sample_operators(), &space_depth_operators(),
        &group_norm_operators(), &lp_norm_operators(),
        // convolution models'
        &fused_conv_operators(), &channel_affine_operators(), &channel_shuffle_operators(),
        &masked_softmax_operators(), &fused_attention_operators(), &token_merge_operators()})
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

std::vector<AttributeRule> parse_rules(const Operator& row) {
  std::vector<AttributeRule> rules;
  std::istringstream words(row.attributes);
  for (std::string word; words >> word;) {
    const std::size_t colon = word.find(':');
    EDGECLIP_CHECK(colon != std::string::npos && colon + 1 < word.size(), "{}: attributes \"{}\"", row.name,
                   row.attributes);
    rules.push_back({word.substr(0, colon), word[colon + 1], word.back() == '!'});
  }
  return rules;
}

/// The row's kernel on float32 in place of 16-bit floats.
void run_widened(const Operator& row, const Node& node, Inputs inputs, const Outputs& outputs) {
  std::vector<Tensor> tensors;  // own what the views below look at
  for (TensorView& input : inputs) {
    if (!is_16_bit_float(input.dtype)) continue;
    if (input.data == nullptr) {  // of a row that reads its shape only
      input.dtype = DType::f32;
      continue;
    }
    tensors.push_back(widened(input));
    input = tensors.back().view();
  }
  Outputs wide = outputs;
  for (OutputView& output : wide) {
    if (!is_16_bit_float(output.dtype)) continue;
    output.dtype = DType::f32;
    if (output.data == nullptr) continue;
    tensors.emplace_back(DType::f32, output.shape);
    output.data = tensors.back().raw();
  }
  row.reference(node, inputs, wide);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (is_16_bit_float(outputs[i].dtype) && outputs[i].data != nullptr)
      narrow(wide[i].as<float>(), outputs[i].dtype, outputs[i].data, outputs[i].elements());
}

class ReferenceKernel : public Kernel {
 public:
  ReferenceKernel(const Operator& row, Node node) : row_(row), node_(std::move(node)) {}
  void run(const Inputs& inputs, const Outputs& outputs) override {
    run_reference_kernel(row_, node_, inputs, outputs);
  }
  std::string implementation() const override { return "reference"; }

 private:
  const Operator& row_;
  Node node_;
};

}  // namespace

std::vector<Operator> taking_16_bit_floats(std::vector<Operator> rows) {
  for (Operator& row : rows) row.takes_16_bit_floats = true;
  return rows;
}

const std::vector<Operator>& operators() {
  static const std::vector<Operator> all = collect();
  return all;
}

const std::vector<AttributeRule>& attribute_rules(const Operator& row) {
  static const std::vector<std::vector<AttributeRule>> all = [] {
    std::vector<std::vector<AttributeRule>> rules;
    for (const Operator& one : operators()) rules.push_back(parse_rules(one));
    return rules;
  }();
  return all.at(static_cast<std::size_t>(&row - operators().data()));
}

char attribute_letter(const Attribute& attribute) {
  return "ifsIFSt"[attribute.index()];  // in the order of its alternatives
}

const char* attribute_words(char letter) {
  switch (letter) {
    case 'i':
      return "an integer";
    case 'f':
      return "a float";
    case 's':
      return "a string";
    case 't':
      return "a tensor";
    case 'I':
      return "a list of integers";
    case 'F':
      return "a list of floats";
    case 'S':
      return "a list of strings";
    default:
      return "a graph or something else";
  }
}

const Operator* find_operator(const std::string& domain, const std::string& name, int opset) {
  const auto [begin, end] = table().equal_range(name);
  for (auto it = begin; it != end; ++it) {
    const Operator& row = *it->second;
    if (domain == row.domain && opset >= row.min_opset && opset <= row.max_opset) return &row;
  }
  return nullptr;
}

void run_reference_kernel(const Operator& row, const Node& node, const Inputs& inputs,
                          const Outputs& outputs) {
  if (std::none_of(outputs.begin(), outputs.end(),
                   [](const OutputView& output) { return output.data != nullptr && output.elements() > 0; }))
    return;
  const auto is_narrow = [](const auto& tensor) { return is_16_bit_float(tensor.dtype); };
  if (!row.takes_16_bit_floats && (std::any_of(inputs.begin(), inputs.end(), is_narrow) ||
                                   std::any_of(outputs.begin(), outputs.end(), is_narrow)))
    return run_widened(row, node, inputs, outputs);
  row.reference(node, inputs, outputs);
}

std::unique_ptr<Kernel> make_reference_kernel(const Node& node) {
  const Operator* row = find_operator(node.domain, node.op, node.opset);
  EDGECLIP_CHECK(row, "no operator {}.{} of opset {}", node.domain, node.op, node.opset);
  return std::make_unique<ReferenceKernel>(*row, node);
}

}  // namespace edgeclip::engine
