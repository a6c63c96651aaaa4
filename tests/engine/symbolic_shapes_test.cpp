// Rules of single operators and of the small networks of them that exporters write to compute a shape:
// against the operators' own rules for many sizes, and the form that is expected.
#include <gtest/gtest.h>

#include "engine/graph_support.h"
#include "engine/symbolic_support.h"

namespace edgeclip::engine {
namespace {

using test::GraphMaker;
using Ints = std::vector<std::int64_t>;

struct SymbolicShapes : ::testing::Test {
  GraphMaker m;
  ValueId image = m.input("image", DType::f32, {-1, 12, -1, -1}, {"b", "", "h", "w"});
  ValueId text = m.input("text", DType::f32, {-1, -1, 64}, {"b", "t", ""});
  ValueId ids = m.input("ids", DType::i64, {-1, -1}, {"b", "t"});

  ValueId ints(const Ints& values) {
    return m.constant<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
  }
  ValueId weights(const Shape& shape) { return m.graph.add_constant("w", Tensor(DType::f32, shape)); }
  ValueId size_of(ValueId x, std::int64_t axis) {
    return m.node("Gather", {m.node("Shape", {x}), ints({axis})});
  }
  ValueId joined(std::vector<ValueId> parts) {
    return m.node("Concat", std::move(parts), {{"axis", std::int64_t{0}}});
  }
  ValueId pool(ValueId x, std::int64_t kernel, std::int64_t stride,
               std::map<std::string, Attribute> more = {}) {
    more["kernel_shape"] = Ints{kernel, kernel};
    more["strides"] = Ints{stride, stride};
    return m.node("MaxPool", {x}, more);
  }
  /// As it is printed, and right for at least `runs` of 60 random sizes.
  void expect(ValueId y, const std::string& text_of_shape, int runs = 20, std::int64_t most = 20) {
    m.graph.outputs = {y};
    Graph alone = m.graph;
    alone.remove_dead();
    const auto facts = infer_symbolic(alone);
    const auto& shape = facts.values[static_cast<std::size_t>(alone.outputs[0])].shape;
    ASSERT_TRUE(shape);
    EXPECT_EQ(shape_text(*shape), text_of_shape);
    EXPECT_GE(test::check_symbolic(alone, 60, most).runs, runs) << text_of_shape;
  }
};

TEST_F(SymbolicShapes, Windows) {
  const auto y =
      m.node("Conv", {image, weights({16, 12, 3, 3})}, {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}});
  expect(y, "(b, 16, (h+1)/2, (w+1)/2)");
  expect(pool(pool(image, 2, 2), 2, 2), "(b, 12, h/4, w/4)");
  expect(pool(image, 3, 3, {{"auto_pad", std::string("SAME_UPPER")}}), "(b, 12, (h+2)/3, (w+2)/3)");
  expect(pool(image, 3, 2, {{"auto_pad", std::string("VALID")}}), "(b, 12, (h+1)/2-1, (w+1)/2-1)");
  expect(pool(image, 3, 2, {{"ceil_mode", std::int64_t{1}}}), "(b, 12, h/2, w/2)");
  expect(pool(image, 2, 3, {{"ceil_mode", std::int64_t{1}}, {"pads", Ints{0, 0, 1, 1}}}),
         "(b, 12, (h+2)/3, (w+2)/3)");
  const auto cut = pool(image, 2, 4, {{"ceil_mode", std::int64_t{1}}});
  m.graph.outputs = {cut};
  EXPECT_GE(test::check_symbolic(m.graph, 60, 20).runs, 20);
  expect(m.node("GlobalAveragePool", {image}), "(b, 12, 1, 1)");
  expect(m.node("ConvTranspose", {image, weights({12, 5, 2, 2})}, {{"strides", Ints{2, 2}}}),
         "(b, 5, 2*h, 2*w)");
}

TEST_F(SymbolicShapes, UpsamplingOfWhatWasDividedIsNotTheSame) {
  const auto up =
      m.node("ConvTranspose", {pool(image, 2, 2), weights({12, 12, 2, 2})}, {{"strides", Ints{2, 2}}});
  expect(up, "(b, 12, 2*(h/2), 2*(w/2))");
  EXPECT_FALSE(ShapeFacts(m.graph).same(up, image));
}

TEST_F(SymbolicShapes, ResizeToASkipConnection) {
  const auto skip = pool(image, 2, 2), deep = pool(skip, 3, 2, {{"pads", Ints{1, 1, 1, 1}}});
  const auto ends = m.node("Slice", {m.node("Shape", {skip}), ints({2}), ints({4}), ints({0})});
  const auto sizes =
      joined({m.node("Slice", {m.node("Shape", {deep}), ints({0}), ints({2}), ints({0})}), ends});
  const auto up = m.node("Resize", {deep, kNoValue, kNoValue, sizes});
  expect(up, "(b, 12, h/2, w/2)");
  EXPECT_TRUE(ShapeFacts(m.graph).same(up, skip));
  const auto scaled = m.node("Resize", {image, kNoValue, m.constant<float>({4}, {1, 1, 2, 1.5F})});
  expect(scaled, "(b, 12, floor(h*2), floor(w*1.5))");
}

TEST_F(SymbolicShapes, HeadsOfAttention) {
  const auto split = m.node("Reshape", {text, joined({size_of(text, 0), size_of(text, 1), ints({4, 16})})});
  const auto heads = m.node("Transpose", {split}, {{"perm", Ints{0, 2, 1, 3}}});
  const auto turned = m.node("Transpose", {split}, {{"perm", Ints{0, 2, 3, 1}}});
  const auto scores = m.node("Softmax", {m.node("MatMul", {heads, turned})});
  expect(scores, "(b, 4, t, t)");
  const auto mixed = m.node("Transpose", {m.node("MatMul", {scores, heads})}, {{"perm", Ints{0, 2, 1, 3}}});
  const auto y = m.node("Reshape", {mixed, joined({size_of(text, 0), ints({-1, 64})})});
  expect(y, "(b, t, 64)");
  EXPECT_TRUE(ShapeFacts(m.graph).same(y, text));
  const auto folded =
      m.node("Reshape",
             {heads, joined({m.node("Mul", {size_of(text, 0), ints({4})}), size_of(text, 1), ints({16})})});
  expect(folded, "(4*b, t, 16)");
  expect(m.node("Reshape", {folded, joined({ints({-1, 4}), size_of(text, 1), ints({16})})}), "(b, 4, t, 16)");
}

TEST_F(SymbolicShapes, ReshapesCopyAndInfer) {
  expect(m.node("Reshape", {text, ints({0, -1})}), "(b, 64*t)");
  expect(m.node("Reshape", {text, ints({-1, 32})}), "(2*b*t, 32)");
  expect(m.node("Reshape", {image, joined({size_of(image, 0), ints({3, 4, -1})})}), "(b, 3, 4, h*w)");
  expect(m.node("Flatten", {image}), "(b, 12*h*w)");
  expect(m.node("Unsqueeze", {text, ints({0, -1})}), "(1, b, t, 64, 1)");
  expect(m.node("Squeeze", {m.node("GlobalMaxPool", {image}), ints({2, 3})}), "(b, 12)");
  const auto shape = m.input("shape", DType::i64, {3});
  m.graph.outputs = {m.node("Reshape", {text, shape})};
  EXPECT_EQ(ShapeFacts(m.graph).shape(m.graph.outputs[0]), (Shape{-1, -1, -1}));
}

TEST_F(SymbolicShapes, SlicesAndPositions) {
  const auto table = m.constant<std::int64_t>({1, 77}, Ints(77, 0));
  const auto positions = m.node("Slice", {table, ints({0}), size_of(ids, 1), ints({1})});
  expect(positions, "(1, min(t, 77))");
  const auto embedded = m.node("Gather", {weights({100, 64}), positions});
  const auto sum = m.node("Add", {text, embedded});
  expect(sum, "(b, t, 64)");
  EXPECT_TRUE(ShapeFacts(m.graph).same(sum, text));
  expect(m.node("Slice", {text, ints({1}), ints({INT64_MAX}), ints({1})}), "(b, -min(1, t)+t, 64)");
  expect(m.node("Slice", {text, ints({-1}), ints({INT64_MAX}), ints({1})}), "(b, -max(0, t-1)+t, 64)");
  expect(m.node("Slice", {image, ints({0}), ints({INT64_MAX}), ints({2}), ints({2})}), "(b, 12, (h+1)/2, w)");
  expect(m.node("Slice", {text, ints({-1}), ints({INT64_MIN}), ints({1}), ints({-1})}), "(b, t, 64)");
  const auto half = m.node("Div", {size_of(image, 2), ints({2})});
  expect(m.node("Slice", {image, ints({0}), half, ints({2})}), "(b, 12, h/2, w)");
  expect(m.node("Slice", {image, half, ints({INT64_MAX}), ints({2})}), "(b, 12, -(h/2)+h, w)");
}

TEST_F(SymbolicShapes, ExpandAsExportersWriteIt) {
  const auto wanted = joined({size_of(ids, 0), ints({-1}), size_of(text, 2)});
  const auto minus = m.node("Mul", {m.node("ConstantOfShape", {m.node("Shape", {wanted})},
                                           {{"value", Tensor::from<std::int64_t>({1}, {1})}}),
                                    m.constant<std::int64_t>({}, {-1})});
  const auto ones = m.node("ConstantOfShape", {ints({3})}, {{"value", Tensor::from<std::int64_t>({1}, {1})}});
  const auto target = m.node("Where", {m.node("Equal", {wanted, minus}), ones, wanted});
  expect(m.node("Expand", {weights({1, 1, 64}), target}), "(b, 1, 64)");
  expect(m.node("Tile", {weights({2, 3}), joined({size_of(ids, 0), ints({2})})}), "(2*b, 6)");
  expect(m.node("ConstantOfShape", {joined({size_of(ids, 1), size_of(ids, 1)})}), "(t, t)");
  expect(m.node("Range", {m.constant<std::int64_t>({}, {0}), m.node("Squeeze", {size_of(ids, 1), ints({0})}),
                          m.constant<std::int64_t>({}, {1})}),
         "(t,)");
}

TEST_F(SymbolicShapes, JoinsAndPieces) {
  expect(m.node("Concat", {text, text, weights({1, 1, 64})}, {{"axis", std::int64_t{1}}}), "(1, 2*t+1, 64)",
         0);
  expect(m.node("Concat", {image, pool(image, 1, 1)}, {{"axis", std::int64_t{1}}}), "(b, 24, h, w)");
  expect(m.node("Pad", {image, ints({0, 0, 1, 2, 0, 0, 3, 4})}), "(b, 12, h+4, w+6)");
  expect(m.node("DepthToSpace", {image}, {{"blocksize", std::int64_t{2}}}), "(b, 3, 2*h, 2*w)");
  expect(m.node("SpaceToDepth", {image}, {{"blocksize", std::int64_t{2}}}), "(b, 48, h/2, w/2)", 5);
  expect(m.node("ReduceMean", {image}, {{"axes", Ints{2, 3}}}), "(b, 12, 1, 1)");
  expect(m.node("ReduceSum", {text, ints({1})}, {{"keepdims", std::int64_t{0}}}), "(b, 64)");
  expect(m.node("ArgMax", {ids}, {{"axis", std::int64_t{-1}}, {"keepdims", std::int64_t{0}}}), "(b,)");
  expect(m.node("TopK", {text, ints({5})}), "(b, t, 5)");
  expect(m.node("OneHot", {ids, m.constant<std::int64_t>({}, {9}), weights({2})}), "(b, t, 9)");
  expect(m.node("GatherElements", {text, m.node("Unsqueeze", {ids, ints({2})})}), "(b, t, 1)");
  expect(m.node("Einsum", {text, text}, {{"equation", std::string("bik,bjk->bij")}}), "(b, t, t)");
  expect(m.node("Gemm", {m.node("Flatten", {m.node("GlobalMaxPool", {image})}), weights({12, 7})}), "(b, 7)");
}

TEST_F(SymbolicShapes, QuantizedOperators) {
  const auto fused = [&](const std::string& op, std::vector<ValueId> inputs,
                         std::map<std::string, Attribute> more, int outputs = 1) {
    const auto y = m.node(op, std::move(inputs), std::move(more), 1);
    Node& node = m.graph.nodes().back();
    node.domain = "edgeclip";
    for (int i = 1; i < outputs; ++i) {
      Value value;
      value.name = op + std::to_string(m.graph.value_count());
      node.outputs.push_back(m.graph.add_value(std::move(value)));
    }
    return y;
  };
  const auto bytes = [&](const Shape& shape) { return m.graph.add_constant("q", Tensor(DType::i8, shape)); };
  const auto type = [&](ValueId y) { return ShapeFacts(m.graph).dtype(y); };
  const auto quantized = fused("QuantizeRows", {text}, {}, 2);
  const auto scale = m.graph.nodes().back().outputs[1];
  expect(quantized, "(b, t, 64)");
  expect(scale, "(b, t, 1)");
  const auto normalized = fused("LayerNormQuantizeRows", {text, weights({64})}, {}, 3);
  const auto outputs = m.graph.nodes().back().outputs;
  expect(normalized, "(b, t, 64)");
  expect(outputs[1], "(b, t, 1)");
  expect(outputs[2], "(b, t, 64)");
  EXPECT_EQ(type(normalized), DType::i8);
  EXPECT_EQ(type(outputs[2]), DType::f32);
  const auto product = fused("QuantMatMul",
                             {quantized, bytes({64, 32}), weights({32}), kNoValue, kNoValue, scale},
                             {{"a_scale", 1.0F}});
  expect(product, "(b, t, 32)");
  EXPECT_EQ(type(quantized), DType::i8);
  EXPECT_EQ(type(scale), DType::f32);
  EXPECT_EQ(type(product), DType::f32);

  const auto pixels = m.node("QuantizeLinear", {image, m.scalar(0.5F), m.constant<std::uint8_t>({}, {7})});
  const auto conv = fused("QuantConv", {pixels, bytes({16, 12, 3, 3}), weights({16})},
                          {{"x_scale", 0.5F}, {"x_zero_point", std::int64_t{7}}, {"strides", Ints{2, 2}},
                           {"pads", Ints{1, 1, 1, 1}}, {"out_type", std::string("uint8")}, {"out_scale", 1.0F}});
  expect(conv, "(b, 16, (h+1)/2, (w+1)/2)");
  EXPECT_EQ(type(conv), DType::u8);
}

TEST_F(SymbolicShapes, SplitsIntoEqualPartsAndBySizes) {
  const auto parts = [&](std::int64_t axis, std::vector<ValueId> inputs,
                         std::map<std::string, Attribute> more, int opset) {
    const auto first = m.node("Split", std::move(inputs), more, opset);
    m.graph.nodes().back().attributes["axis"] = axis;
    Value second;
    second.name = "second" + std::to_string(m.graph.value_count());
    m.graph.nodes().back().outputs.push_back(m.graph.add_value(second));
    return first;
  };
  expect(parts(1, {image}, {}, 17), "(b, 6, h, w)");
  expect(parts(2, {image}, {{"num_outputs", std::int64_t{2}}}, 18), "(b, 12, min((h+1)/2, h), w)");
  expect(parts(1, {image, ints({5, 7})}, {}, 17), "(b, 5, h, w)");
}

TEST_F(SymbolicShapes, WhatIsNotKnownHasNoSizeButARank) {
  const auto rate = m.node("Cast", {size_of(image, 2)}, {{"to", std::int64_t{1}}});
  const auto bigger =
      m.node("Cast", {m.node("Floor", {m.node("Mul", {rate, m.scalar(1.5F)})})}, {{"to", std::int64_t{7}}});
  const auto sizes = joined({size_of(image, 0), ints({12}), bigger, size_of(image, 3)});
  const auto up = m.node("Resize", {image, kNoValue, kNoValue, sizes});
  expect(up, "(b, 12, ?0, w)");
  const auto relu = m.node("Relu", {up});
  const ShapeFacts facts(m.graph);
  EXPECT_TRUE(facts.same(up, relu));
  EXPECT_EQ(facts.shape(relu), (Shape{-1, 12, -1, -1}));
}

TEST_F(SymbolicShapes, DifferentSymbolsBroadcastToNeither) {
  const auto sum = m.node("Add", {m.node("ReduceMax", {image}, {{"axes", Ints{2}}}),
                                  m.node("ReduceMax", {image}, {{"axes", Ints{3}}})});
  expect(sum, "(b, 12, h, w)");
  const auto a = m.input("a", DType::f32, {-1}, {"n"}), c = m.input("c", DType::f32, {-1}, {"k"});
  const auto y = m.node("Add", {a, c}), z = m.node("Mul", {c, a});
  const ShapeFacts facts(m.graph);
  EXPECT_FALSE(facts.same(y, a));
  EXPECT_FALSE(facts.same(y, c));
  EXPECT_TRUE(facts.same(y, z));
  EXPECT_EQ(facts.shape(y), (Shape{-1}));
}

TEST(SymbolicFacts, InputsWithoutNamesAreSymbolsOfTheirOwn) {
  GraphMaker m;
  const auto a = m.input("a", DType::f32, {-1, -1}), b = m.input("b", DType::f32, {-1, -1});
  const ShapeFacts facts(m.graph);
  EXPECT_TRUE(facts.same(a, a));
  EXPECT_FALSE(facts.same(a, b));
  EXPECT_EQ(shape_text(*facts.symbolic(a)), "(a[0], a[1])");
}

TEST(SymbolicFacts, ARankThatDependsOnSizesIsNotKnown) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 1, 4}, {"n", "", ""});
  const auto y = m.node("Squeeze", {x});
  const ShapeFacts facts(m.graph);
  EXPECT_FALSE(facts.shape(y));
  EXPECT_EQ(facts.dtype(y), DType::f32);
}

}  // namespace
}  // namespace edgeclip::engine
