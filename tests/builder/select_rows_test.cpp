#include "builder/passes/select_rows.h"

#include "builder/attention_support.h"
#include "builder/passes/gather_per_sample.h"
#include "builder/passes/passes.h"
#include "builder/passes/sizes_of_inputs.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

using Ints = std::vector<std::int64_t>;

constexpr std::int64_t kWidth = 8, kHeads = 2;
const Shape kInput = {3, 5, kWidth};

/// Rows of every value that a node of this operator gives, by the facts of the graph now.
std::vector<std::string> row_counts_of(const Graph& graph, const std::string& op) {
  const ShapeFacts facts(graph);
  std::vector<std::string> counts;
  for (const auto& node : graph.nodes()) {
    if (node.op != op) continue;
    const SymbolicShape& shape = *facts.symbolic(node.outputs[0]);
    counts.push_back(shape[shape.size() - 2].text());
  }
  return counts;
}

/// x (batch, tokens, 8), and what transformers are made of.
struct SelectRows : ::testing::Test {
  RewriteMaker m;
  ValueId x = m.input("x", DType::f32, {-1, -1, kWidth}, {"batch", "tokens", ""});

  ValueId scalar_int(std::int64_t value) { return m.constant<std::int64_t>({}, {value}); }
  ValueId norm(ValueId of) {
    return m.node("LayerNormalization", {of, m.weights({kWidth}), m.weights({kWidth})}, {{"axis", std::int64_t{-1}}});
  }
  ValueId linear(ValueId of, std::int64_t from = kWidth, std::int64_t to = kWidth) {
    return m.node("Add", {m.node("MatMul", {of, m.weights({from, to})}), m.weights({to})});
  }
  ValueId row(ValueId of, std::int64_t index = 0) { return m.node("Gather", {of, scalar_int(index)}, {{"axis", std::int64_t{1}}}); }
  /// A row for each sample: where x is largest in its first column.
  ValueId rows() {
    const auto column = m.node("Gather", {x, scalar_int(0)}, {{"axis", std::int64_t{2}}});
    return m.node("ArgMax", {column}, {{"axis", std::int64_t{1}}, {"keepdims", std::int64_t{1}}});
  }
  ValueId rows_of(ValueId of) { return m.node("GatherND", {of, rows()}, {{"batch_dims", std::int64_t{1}}}); }
  ValueId heads(ValueId of, const Ints& perm) {
    return m.node("Transpose", {m.node("Reshape", {of, m.ints({0, 0, kHeads, kWidth / kHeads})})}, {{"perm", perm}});
  }
  /// Self-attention with a residual; mask: added to the scores, or kNoValue.
  ValueId attention(ValueId residual, ValueId mask = kNoValue) {
    const auto h = norm(residual);
    const auto q = heads(linear(h), {0, 2, 1, 3}), k = heads(linear(h), {0, 2, 3, 1}), v = heads(linear(h), {0, 2, 1, 3});
    const auto scores = m.node("MatMul", {m.node("Mul", {q, m.scalar(0.5F)}), k});
    const auto weights = mask == kNoValue ? m.node("Softmax", {scores}, {{"axis", std::int64_t{-1}}})
                                          : m.fused("MaskedSoftmax", {scores, mask});
    const auto mixed = m.node("Transpose", {m.node("MatMul", {weights, v})}, {{"perm", Ints{0, 2, 1, 3}}});
    return m.node("Add", {residual, linear(m.node("Reshape", {mixed, m.ints({0, 0, kWidth})}))});
  }
  ValueId block(ValueId residual, ValueId mask = kNoValue) {
    const auto sum = attention(residual, mask);
    const auto inner = m.node("Relu", {linear(norm(sum), kWidth, 16)});
    return m.node("Add", {sum, linear(inner, 16)});
  }
  /// (1, 1, tokens, tokens), minus a lot above the diagonal.
  ValueId causal_mask() {
    Tensor mask(DType::f32, {1, 1, 9, 9});
    for (std::int64_t i = 0; i < 81; ++i) mask.data<float>()[i] = i % 9 > i / 9 ? -1e9F : 0;
    const auto tokens = m.node("Shape", {x}, {{"start", std::int64_t{1}}, {"end", std::int64_t{2}}});
    const auto size = m.node("Concat", {tokens, tokens}, {{"axis", std::int64_t{0}}});
    return m.node("Slice", {m.graph.add_constant("mask", mask), m.ints({0, 0}), size, m.ints({2, 3})});
  }
  int run(ValueId output) { return rewrites_of(m, select_rows, {output}, {kInput}); }

  const Node& only(const std::string& op) {
    for (const auto& node : m.graph.nodes())
      if (node.op == op) return node;
    ADD_FAILURE() << op;
    return m.graph.nodes()[0];
  }
  std::vector<std::string> row_counts(const std::string& op) const { return row_counts_of(m.graph, op); }
};

TEST_F(SelectRows, PassesWhatWorksOnRows) {
  EXPECT_EQ(run(row(m.node("Relu", {linear(norm(x))}), 2)), 1);
  EXPECT_EQ(only("Gather").inputs[0], m.graph.inputs[0]);
  EXPECT_EQ(row_counts("MatMul"), std::vector<std::string>{"1"});
  EXPECT_EQ(m.graph.nodes().back().op, "Squeeze");
  EXPECT_EQ(*m.graph.value(m.graph.nodes().back().inputs[0]).shape, (Shape{-1, 1, kWidth}));
  EXPECT_EQ(select_rows(m.graph), 0);  // stays there
}
TEST_F(SelectRows, TheLastRow) { EXPECT_EQ(run(row(linear(x), -1)), 1); }
TEST_F(SelectRows, OfASlice) {
  EXPECT_EQ(run(m.node("Slice", {linear(x), m.ints({-1}), m.ints({1 << 30}), m.ints({1})})), 0);  // not known to be one
  RewriteMaker fixed;
  const auto y = fixed.input("y", DType::f32, {-1, 5, kWidth}, {"batch", "", ""});
  const auto list = [&](std::int64_t i) { return fixed.constant<std::int64_t>({1}, {i}); };
  const auto cut = fixed.node("Slice", {fixed.node("Relu", {y}), list(-1), list(1 << 30), list(1)});
  EXPECT_EQ(rewrites_of(fixed, select_rows, {cut}, {kInput}), 1);
}
TEST_F(SelectRows, BroadcastInputsGiveTheirRowToo) {
  const auto position = m.weights({5, kWidth});
  RewriteMaker fixed = m;
  fixed.graph.value(x).shape = Shape{-1, 5, kWidth};
  fixed.graph.value(x).symbols = {"batch", "", ""};
  m = fixed;
  EXPECT_EQ(run(row(m.node("Add", {position, m.node("Tanh", {x})}))), 1);
  EXPECT_EQ(count_ops(m.graph, "Gather"), 2);
}
TEST_F(SelectRows, TheLastBlock) {
  EXPECT_EQ(run(row(block(block(x)))), 1);
  std::vector<std::string> counts = row_counts("MatMul");
  // Of 8 products of each block: all of the first one, keys and values of the second.
  EXPECT_EQ(std::count(counts.begin(), counts.end(), "1"), 6);
  EXPECT_EQ(counts.size(), 16U);
  EXPECT_EQ(select_rows(m.graph), 0);
}
TEST_F(SelectRows, TheLastBlockForARowOfEachSample) {
  const auto mask = causal_mask();
  EXPECT_EQ(run(rows_of(block(block(x, mask), mask))), 1);
  std::vector<std::string> counts = row_counts("MatMul");
  EXPECT_EQ(std::count(counts.begin(), counts.end(), "1"), 6);
  EXPECT_EQ(row_counts("MaskedSoftmax"), (std::vector<std::string>{"tokens", "1"}));
  EXPECT_EQ(select_rows(m.graph), 0);
}
/// ONNX's Attention over rows.
struct SelectQueries : SelectRows {
  ValueId attend(std::vector<ValueId> inputs, std::map<std::string, Attribute> attributes = {}) {
    attributes.insert({{"q_num_heads", kHeads}, {"kv_num_heads", kHeads}});
    return m.node("Attention", std::move(inputs), std::move(attributes), 23);
  }
  void expect_attention(const std::string& rows) { EXPECT_EQ(row_counts("Attention"), std::vector<std::string>{rows}); }
};
TEST_F(SelectQueries, OfRows) {
  const auto q = linear(x), k = linear(x), v = linear(x);
  EXPECT_EQ(run(row(linear(attend({q, k, v})), 2)), 1);
  expect_attention("1");
  EXPECT_EQ(row_counts("MatMul"), (std::vector<std::string>{"tokens", "tokens", "1", "1"}));
}
TEST_F(SelectQueries, OfHeads) {
  const auto q = heads(linear(x), {0, 2, 1, 3}), k = heads(linear(x), {0, 2, 1, 3}), v = heads(linear(x), {0, 2, 1, 3});
  const auto y = m.node("Attention", {q, k, v, causal_mask()}, {}, 23);
  const auto rows_again = m.node("Transpose", {y}, {{"perm", Ints{0, 2, 1, 3}}});
  const auto mixed = m.node("Reshape", {rows_again, m.ints({0, 0, kWidth})});
  EXPECT_EQ(run(rows_of(mixed)), 1);
  expect_attention("1");
}
TEST_F(SelectQueries, WithTheirRowsOfTheMask) {
  EXPECT_EQ(run(row(attend({x, x, x, causal_mask()}), -1)), 1);
  expect_attention("1");
}
TEST_F(SelectQueries, OfEachSample) {
  EXPECT_EQ(run(rows_of(attend({x, x, x}))), 1);
  expect_attention("1");
}
TEST_F(SelectQueries, RefusesRowsOfAMaskForEachSample) {  // (heads, tokens, tokens) look like those of samples
  EXPECT_EQ(run(rows_of(attend({x, x, x, causal_mask()}))), 0);
}
TEST_F(SelectQueries, RefusesCausal) {
  EXPECT_EQ(run(row(attend({x, x, x}, {{"is_causal", std::int64_t{1}}}), 2)), 0);
}

/// 2 heads of 16, as the fused kernel wants them.
struct SelectQueriesFirst : ::testing::Test {
  test::AttentionMaker m;

  /// The last of two residual blocks is that of one row when all passes have run.
  template <class Attend>
  void expect_one_query(Attend attend) {
    const auto block = [&](ValueId of) {
      const auto linear = [&](float size) { return m.node("MatMul", {of, m.weights({32, 32}, size)}); };
      return m.node("Add", {of, attend(linear(0.3F), linear(0.2F), linear(0.1F))});
    };
    const auto first = m.constant<std::int64_t>({}, {0});
    const auto token = m.node("Gather", {block(block(m.x)), first}, {{"axis", std::int64_t{1}}});
    rewrites_of(m, [](Graph& g) { return static_cast<int>(optimize(g).size()); }, {token}, {{2, 5, 32}});
    EXPECT_EQ(row_counts_of(m.graph, "FusedAttention"), (std::vector<std::string>{"tokens", "1"}));
  }
};
TEST_F(SelectQueriesFirst, ThenFuseProductsAndSoftmax) {
  expect_one_query([&](ValueId q, ValueId k, ValueId v) {
    const auto scores = m.node("MatMul", {m.scaled(m.heads(q), 0.25F), m.transposed_heads(k)});
    return m.rows(m.node("MatMul", {m.softmax(scores), m.heads(v)}));
  });
}
TEST_F(SelectQueriesFirst, ThenFuseOnnxAttention) {
  expect_one_query([&](ValueId q, ValueId k, ValueId v) {
    return m.node("Attention", {q, k, v}, {{"q_num_heads", std::int64_t{2}}, {"kv_num_heads", std::int64_t{2}}}, 23);
  });
}

TEST_F(SelectRows, AMaskOfEachSample) {
  // (batch, 1, tokens, tokens)
  const auto product = m.node("MatMul", {x, m.node("Transpose", {x}, {{"perm", Ints{0, 2, 1}}})});
  const auto mask = m.node("Unsqueeze", {product, m.ints({1})});
  EXPECT_EQ(run(rows_of(block(block(x, mask), mask))), 1);
  EXPECT_EQ(row_counts("MaskedSoftmax"), (std::vector<std::string>{"tokens", "1"}));
}
TEST_F(SelectRows, RowsOfATableForEachSample) {
  const auto position = m.weights({1, 5, kWidth});
  m.graph.value(x).shape = Shape{-1, 5, kWidth};
  m.graph.value(x).symbols = {"batch", "", ""};
  EXPECT_EQ(run(rows_of(m.node("Add", {m.node("Tanh", {x}), position}))), 1);
}
TEST_F(SelectRows, Int8Layers) {
  const auto q = m.fused("QuantizeRows", {x});
  Value scale;
  scale.name = "scale";
  const auto scales = m.graph.add_value(scale);
  m.graph.nodes().back().outputs.push_back(scales);
  Tensor w(DType::i8, {kWidth, kWidth});
  for (std::int64_t i = 0; i < w.elements(); ++i) w.data<std::int8_t>()[i] = static_cast<std::int8_t>(i * 37 % 251 - 125);
  const auto columns = m.graph.add_constant("int8", w);
  const auto product = m.fused("QuantMatMul", {q, columns, m.weights({kWidth}), kNoValue, x, scales},
                               {{"a_scale", 1.0F}, {"a_zero_point", std::int64_t{0}}, {"activation", std::string()}});
  EXPECT_EQ(run(row(product, 1)), 1);
  EXPECT_EQ(row_counts("QuantizeRows"), std::vector<std::string>{"1"});
}
TEST_F(SelectRows, Int8LayersWithAZeroPointForEachRow) {
  const auto q = m.fused("AffineQuantizeRows", {x});
  std::vector<ValueId> of_rows;
  for (const char* name : {"scale", "zero"}) {
    Value value;
    value.name = name;
    of_rows.push_back(m.graph.add_value(value));
    m.graph.nodes().back().outputs.push_back(of_rows.back());
  }
  Tensor w(DType::i8, {kWidth, kWidth});
  for (std::int64_t i = 0; i < w.elements(); ++i) w.data<std::int8_t>()[i] = static_cast<std::int8_t>(i * 37 % 251 - 125);
  const auto columns = m.graph.add_constant("int8", w);
  const auto product =
      m.fused("QuantMatMul", {q, columns, m.weights({kWidth}), kNoValue, x, of_rows[0], of_rows[1]},
              {{"a_scale", 1.0F}, {"a_zero_point", std::int64_t{0}}, {"activation", std::string()}});
  EXPECT_EQ(run(row(product, 1)), 1);
  EXPECT_EQ(row_counts("AffineQuantizeRows"), std::vector<std::string>{"1"});
}
TEST_F(SelectRows, RowsOfADequantizedValueAreDequantizedByThemselves) {
  const auto step = m.scalar(0.02F), zero = m.constant<std::int8_t>({}, {0});
  const auto q = m.node("QuantizeLinear", {x, step, zero});
  const auto d = m.node("DequantizeLinear", {q, step, zero});
  const auto y = m.node("MatMul", {d, m.weights({kWidth, kWidth})});
  EXPECT_EQ(rewrites_of(m, select_rows, {row(y), m.node("ReduceMean", {d}, {{"axes", Ints{1}}})}, {kInput}), 1);
  EXPECT_EQ(count_ops(m.graph, "DequantizeLinear"), 2);
  const Node& product = only("MatMul");
  const auto dequantize = m.graph.producer(product.inputs[0]);
  EXPECT_EQ(m.graph.nodes()[*dequantize].op, "DequantizeLinear");
  EXPECT_EQ(m.graph.nodes()[*m.graph.producer(m.graph.nodes()[*dequantize].inputs[0])].op, "Gather");
}
TEST_F(SelectRows, RefusesOtherReaders) {
  const auto y = linear(x);
  EXPECT_EQ(rewrites_of(m, select_rows, {row(y), m.node("ReduceMean", {y}, {{"axes", Ints{1}}})}, {kInput}), 0);
}
TEST_F(SelectRows, RefusesGraphOutputs) {
  const auto y = linear(x);
  EXPECT_EQ(rewrites_of(m, select_rows, {row(y), y}, {kInput}), 0);
}
TEST_F(SelectRows, RefusesWhatJoinsRows) {
  EXPECT_EQ(run(row(m.node("Softmax", {x}, {{"axis", std::int64_t{1}}}))), 0);
  EXPECT_EQ(run(row(m.node("LayerNormalization", {x, m.weights({5, kWidth})}, {{"axis", std::int64_t{1}}}))), 0);
  EXPECT_EQ(run(row(m.node("CumSum", {x, scalar_int(1)}))), 0);
  EXPECT_EQ(run(row(m.node("MatMul", {m.node("Transpose", {x}, {{"perm", Ints{0, 2, 1}}}), x}), 0)), 1);  // rows of the left
  EXPECT_EQ(count_ops(m.graph, "Gather"), 1);
}
TEST_F(SelectRows, RefusesTheColumnsOfAProduct) {
  EXPECT_EQ(run(m.node("Gather", {linear(x), scalar_int(0)}, {{"axis", std::int64_t{2}}})), 0);
}
TEST_F(SelectRows, RefusesViewsAlone) {
  EXPECT_EQ(run(row(m.node("Reshape", {x, m.ints({0, 0, 2, kWidth / 2})}))), 0);
}
TEST_F(SelectRows, RefusesAReshapeThatJoinsRows) {
  const auto pairs = m.node("Reshape", {m.node("Relu", {x}), m.ints({-1, 2 * kWidth})});  // of two rows each
  m.graph.value(x).shape = Shape{-1, 6, kWidth};
  m.graph.value(x).symbols = {"batch", "", ""};
  EXPECT_EQ(rewrites_of(m, select_rows, {m.node("Gather", {pairs, scalar_int(1)}, {{"axis", std::int64_t{0}}})}, {{2, 6, kWidth}}), 0);
}
TEST_F(SelectRows, RefusesRowsOfSamplesWhereSamplesAreMixed) {
  // dimension 0 becomes the tokens
  const auto turned = m.node("Transpose", {m.node("Relu", {x})}, {{"perm", Ints{1, 0, 2}}});
  const auto back = m.node("Transpose", {m.node("Tanh", {turned})}, {{"perm", Ints{1, 0, 2}}});
  EXPECT_EQ(run(rows_of(back)), 0);
}
TEST_F(SelectRows, OneRowForAllGoesThroughMixedSamples) {
  const auto turned = m.node("Transpose", {m.node("Relu", {x})}, {{"perm", Ints{1, 0, 2}}});
  const auto back = m.node("Transpose", {m.node("Tanh", {turned})}, {{"perm", Ints{1, 0, 2}}});
  EXPECT_EQ(run(row(back, 3)), 1);
  EXPECT_EQ(m.graph.nodes()[0].op, "Gather");
}

struct GatherPerSample : SelectRows {
  ValueId samples() {
    const auto batch = m.node("Gather", {m.node("Shape", {linear(x)}), scalar_int(0)}, {{"axis", std::int64_t{0}}});
    return m.node("Range", {scalar_int(0), batch, scalar_int(1)});
  }
  ValueId last() { return m.node("Squeeze", {rows(), m.ints({1})}); }
  ValueId argmax() {
    const auto column = m.node("Gather", {x, scalar_int(0)}, {{"axis", std::int64_t{2}}});
    return m.node("ArgMax", {column}, {{"axis", std::int64_t{-1}}, {"keepdims", std::int64_t{0}}});
  }
  ValueId pairs(ValueId first, ValueId second) {
    return m.node("Concat", {m.node("Unsqueeze", {first, m.ints({1})}), m.node("Unsqueeze", {second, m.ints({1})})},
                  {{"axis", std::int64_t{-1}}});
  }
  void fixed_tokens() {
    m.graph.value(x).shape = Shape{-1, 5, kWidth};
    m.graph.value(x).symbols = {"batch", "", ""};
  }
  ValueId flat(ValueId of, ValueId index) { return m.node("Gather", {m.node("Flatten", {of}, {{"axis", std::int64_t{2}}}), index}); }
};

TEST_F(GatherPerSample, Pairs) {
  EXPECT_EQ(rewrites_of(m, gather_per_sample, {m.node("GatherND", {x, pairs(samples(), last())})}, {kInput}), 1);
  EXPECT_EQ(only("GatherND").int_or("batch_dims", 0), 1);
}
TEST_F(GatherPerSample, FlatRows) {
  fixed_tokens();
  const auto index = m.node("Add", {argmax(), m.node("Mul", {samples(), scalar_int(5)})});
  EXPECT_EQ(rewrites_of(m, gather_per_sample, {flat(linear(x), index)}, {kInput}), 1);
  EXPECT_EQ(only("GatherND").int_or("batch_dims", 0), 1);
  EXPECT_EQ(select_rows(m.graph), 1);
}
TEST_F(GatherPerSample, RefusesRowsThatMayLieOutside) {
  fixed_tokens();
  const auto beyond = m.node("Add", {argmax(), scalar_int(1)});
  const auto clipped = m.node("Min", {m.node("Add", {beyond, m.node("Mul", {samples(), scalar_int(5)})}), scalar_int(14)});
  const auto sum = m.node("Add", {beyond, m.node("Mul", {m.node("Mul", {samples(), scalar_int(0)}), scalar_int(5)})});
  EXPECT_EQ(rewrites_of(m, gather_per_sample, {flat(x, clipped), flat(x, sum)}, {kInput}), 0);
}
TEST_F(GatherPerSample, RefusesAnotherStep) {
  fixed_tokens();
  const auto index = m.node("Add", {argmax(), m.node("Mul", {samples(), scalar_int(4)})});
  EXPECT_EQ(rewrites_of(m, gather_per_sample, {flat(x, index)}, {kInput}), 0);
}
TEST_F(GatherPerSample, RefusesSamplesThatAreNotAll) {
  const auto some = m.node("Range", {scalar_int(0), scalar_int(3), scalar_int(1)});
  EXPECT_EQ(rewrites_of(m, gather_per_sample, {m.node("GatherND", {x, pairs(some, last())})}, {kInput}), 0);
}

TEST_F(SelectRows, SizesAreAskedOfInputs) {
  const auto y = m.node("Relu", {linear(x)});
  const auto size = [&](std::int64_t i) { return m.node("Gather", {m.node("Shape", {y}), m.ints({i})}); };
  const auto shape = m.node("Concat", {size(0), size(-2), m.ints({2, kWidth / 2})}, {{"axis", std::int64_t{0}}});
  EXPECT_EQ(rewrites_of(m, sizes_of_inputs, {m.node("Reshape", {y, shape})}, {kInput}), 2);
  for (const auto& node : m.graph.nodes())
    if (node.op == "Shape") {
      EXPECT_EQ(node.inputs[0], m.graph.inputs[0]);
    }
}
TEST_F(SelectRows, SizesThatAreNoInputsStay) {
  const auto twice = m.node("Concat", {x, x}, {{"axis", std::int64_t{1}}});
  const auto size = m.node("Gather", {m.node("Shape", {twice}), m.ints({1})});
  const auto shape = m.node("Concat", {m.ints({-1}), size, m.ints({kWidth})}, {{"axis", std::int64_t{0}}});
  EXPECT_EQ(rewrites_of(m, sizes_of_inputs, {m.node("Reshape", {twice, shape})}, {kInput}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
