// docs/operators.md says what the table of operators says.  EDGECLIP_WRITE_DOCS=1 writes it anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "base/file.h"
#include "engine/cpu/fast_operators.h"
#include "engine/ops/left_out.h"
#include "engine/ops/support.h"
#include "engine/sample_nodes.h"
#include "support/support.h"

namespace edgeclip::engine {
namespace {

const std::string kFile = std::string(EDGECLIP_SOURCE_DIR) + "/docs/operators.md";

using Key = std::pair<std::string, std::string>;  ///< domain, name
using Types = std::set<DType>;

std::map<Key, Types> types_by_operator() {
  std::map<Key, Types> found;
  for (const test::Sample& sample : test::samples())
    for (const DType dtype : test::kAllTypes)
      if (test::takes(sample, dtype)) found[{sample.node.domain, sample.node.op}].insert(dtype);
  return found;
}

/// Whole groups by their names, the rest one by one.
std::string types_text(Types types) {
  const std::pair<const char*, Types> groups[] = {
      {"all", {std::begin(test::kAllTypes), std::end(test::kAllTypes)}},
      {"floats", {DType::f16, DType::bf16, DType::f32, DType::f64}},
      {"integers",
       {DType::i8, DType::i16, DType::i32, DType::i64, DType::u8, DType::u16, DType::u32, DType::u64}}};
  std::string text;
  const auto add = [&](const std::string& name) { text += (text.empty() ? "" : ", ") + name; };
  for (const auto& [name, members] : groups) {
    if (!std::includes(types.begin(), types.end(), members.begin(), members.end())) continue;
    add(name);
    for (const DType dtype : members) types.erase(dtype);
  }
  for (const DType dtype : test::kAllTypes)
    if (types.count(dtype) > 0) add(dtype_name(dtype));
  return text;
}

std::string operators_markdown() {
  std::map<Key, std::pair<int, int>> opsets;
  for (const Operator& row : operators()) {
    const auto [it, first] =
        opsets.emplace(Key{row.domain, row.name}, std::pair{row.min_opset, row.max_opset});
    it->second = {std::min(it->second.first, row.min_opset), std::max(it->second.second, row.max_opset)};
  }
  std::map<Key, std::string> fast;
  for (const FastOperator& one : fast_operators()) fast[{one.domain, one.name}] = one.condition;
  const std::map<Key, Types> types = types_by_operator();

  std::string text = fmt::format(
      "# Operators\n\n"
      "Written by `EDGECLIP_WRITE_DOCS=1 test_engine --gtest_filter=OperatorsDoc.*`; a test compares this "
      "file "
      "with the table of operators.\n\n"
      "The engine has {} operators, those of ONNX up to opset {}, and `edgeclip`'s own, which only its "
      "passes "
      "make. *Opsets*: the versions of the domain with which a model may use it. *Types*: the element types "
      "that its data may have, as found by running a small node of each; of operators with several kinds of "
      "data, those of the one that varies (of `Where` the values, not the condition). Floats are float16, "
      "bfloat16, float32 and float64; float16 and bfloat16 are computed in float32, and each result is "
      "rounded "
      "once. *Fast kernel*: the nodes for which the CPU backend has more than the readable reference kernel, "
      "which computes all others; *in parts*: the reference kernel, on parts of the data that are divided among the threads.\n\n"
      "| operator | opsets | types | fast kernel |\n|---|---|---|---|\n",
      opsets.size(), kNewestOpset);
  for (const auto& [key, range] : opsets) {
    const auto& [domain, name] = key;
    const auto type = types.find(key);
    const auto quick = fast.find(key);
    text += fmt::format("| `{}{}` | {} | {} | {} |\n", domain.empty() ? "" : domain + ".", name,
                        range.first == range.second ? std::to_string(range.first)
                                                    : fmt::format("{} to {}", range.first, range.second),
                        type == types.end() ? "" : types_text(type->second),
                        quick == fast.end() ? "" : quick->second);
  }
  text +=
      "\n## Left out\n\n"
      "A model with one of these is refused with the reason.\n\n"
      "| operator | reason |\n|---|---|\n";
  for (const auto& [name, reason] : left_out_operators())
    text += fmt::format("| `{}` | {} |\n", name, reason);
  return text;
}

TEST(OperatorsDoc, IsThatOfTheTable) {
  const std::string text = operators_markdown();
  if (std::getenv("EDGECLIP_WRITE_DOCS") != nullptr) edgeclip::test::write_text(kFile, text);
  EXPECT_EQ(read_file(kFile), text) << "write it anew: EDGECLIP_WRITE_DOCS=1";
}

TEST(OperatorsDoc, FastKernelsAreOfOperatorsThatThereAre) {
  std::set<Key> rows, listed;
  for (const Operator& row : operators()) rows.insert({row.domain, row.name});
  for (const FastOperator& one : fast_operators()) {
    EXPECT_TRUE(rows.count({one.domain, one.name})) << one.name;
    EXPECT_TRUE(listed.insert({one.domain, one.name}).second) << one.name << " is listed twice";
  }
}

}  // namespace
}  // namespace edgeclip::engine
