// MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv and DynamicQuantizeLinear, as imported models hold
// them, on the CPU backend: the reference's numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "engine/cpu/int8_products.h"
#include "engine/graph_support.h"
#include "engine/node_support.h"
#include "engine/runtime/session.h"

namespace edgeclip::engine {
namespace {

using Ints = std::vector<std::int64_t>;

Tensor random_bytes(DType type, const Shape& shape, std::uint64_t seed, int top = 255) {
  Rng rng(seed);
  Tensor t(type, shape);
  for (std::int64_t i = 0; i < t.elements(); ++i) {
    const int value = static_cast<int>(rng.range(0, top)) + (type == DType::i8 ? -(top + 1) / 2 : 0);
    t.raw()[i] = static_cast<std::byte>(value);
  }
  return t;
}
Tensor byte_scalar(DType type, int value) {
  Tensor t(type, {});
  t.raw()[0] = static_cast<std::byte>(value);
  return t;
}

/// Weights that the CPU multiplies as integers.
int top_of_weights() { return int8_products_saturate() ? 127 : 255; }

/// One node in a session of its own, the first `given` inputs being the graph's and the rest constants, and
/// what the reference kernel gives.
struct NodeRun {
  Tensor fast, reference;
  std::string kernel;

  NodeRun(const std::string& op, const std::vector<Tensor>& tensors,
          std::map<std::string, Attribute> attributes = {}, std::vector<std::size_t> given = {0}) {
    edgeclip::test::GraphMaker m;
    std::vector<ValueId> ids;
    std::vector<TensorView> inputs;
    std::vector<Shape> shapes;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (!tensors[i].defined()) {
        ids.push_back(kNoValue);
      } else if (std::find(given.begin(), given.end(), i) != given.end()) {
        ids.push_back(m.input(std::to_string(i), tensors[i].dtype(), tensors[i].shape()));
        inputs.push_back(tensors[i].view());
        shapes.push_back(tensors[i].shape());
      } else {
        ids.push_back(m.graph.add_constant(std::to_string(i), tensors[i].clone()));
      }
    }
    m.graph.outputs = {m.node(op, ids, std::move(attributes))};
    reference = run_reference(m.graph, inputs).at(0);
    const Session session(m.graph, {});
    Context context(session);
    for (const Context::Layer& layer : context.layers(shapes))
      if (layer.op == op) kernel = layer.kernel;
    context.run(inputs);
    fast = context.run(inputs).at(0);
  }

  void expect_equal() const {
    EXPECT_EQ(kernel.find("ref"), std::string::npos) << kernel;
    ASSERT_EQ(fast.dtype(), reference.dtype());
    ASSERT_EQ(fast.shape(), reference.shape());
    EXPECT_EQ(std::memcmp(fast.raw(), reference.raw(), fast.bytes()), 0) << kernel;
  }
  /// Within a step, and seldom one apart.
  void expect_close() const {
    EXPECT_NE(kernel, "reference");
    ASSERT_EQ(fast.dtype(), reference.dtype());
    std::int64_t apart = 0;
    for (std::int64_t i = 0; i < fast.elements(); ++i) {
      const bool is_signed = fast.dtype() == DType::i8;
      const int a = is_signed ? int{fast.data<std::int8_t>()[i]} : int{fast.data<std::uint8_t>()[i]},
                b = is_signed ? int{reference.data<std::int8_t>()[i]}
                              : int{reference.data<std::uint8_t>()[i]};
      ASSERT_LE(std::abs(a - b), 1) << i;
      apart += a != b;
    }
    EXPECT_LE(apart, 1 + fast.elements() / 100);
  }
};

TEST(MatMulIntegerKernel, EqualsTheReference) {
  for (const DType type : {DType::u8, DType::i8}) {
    SCOPED_TRACE(dtype_name(type));
    const Tensor a = random_bytes(type, {3, 17, 70}, 1),
                 b = random_bytes(DType::i8, {70, 33}, 2, top_of_weights());
    NodeRun("MatMulInteger", {a, b}).expect_equal();
    NodeRun("MatMulInteger", {a, b, byte_scalar(type, 5)}).expect_equal();
    // As DynamicQuantizeLinear computes it.
    NodeRun("MatMulInteger", {a, b, byte_scalar(type, 120)}, {}, {0, 2}).expect_equal();
    // uint8 weights around 128 are int8 ones.
    Tensor around(DType::u8, b.shape());
    for (std::int64_t i = 0; i < b.elements(); ++i)
      around.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(b.data<std::int8_t>()[i] + 128);
    NodeRun("MatMulInteger", {a, around, byte_scalar(type, 3), byte_scalar(DType::u8, 128)}).expect_equal();
  }
}

TEST(MatMulIntegerKernel, TakesAZeroPointForEachColumnAndLeavesTheRest) {
  const Tensor a = random_bytes(DType::u8, {4, 30}, 1), b = random_bytes(DType::i8, {30, 5}, 2, 100);
  const Tensor columns = Tensor::from<std::int8_t>({5}, {0, 1, -2, 3, -4});
  NodeRun("MatMulInteger", {a, b, Tensor(), columns}).expect_equal();
  const Tensor rows = Tensor::from<std::uint8_t>({4}, {0, 1, 2, 3});
  EXPECT_EQ(NodeRun("MatMulInteger", {a, b, rows}).kernel, "reference");
  const Tensor wide = random_bytes(DType::u8, {30, 5}, 2);
  EXPECT_EQ(NodeRun("MatMulInteger", {a, wide}).kernel, "reference");
  EXPECT_EQ(NodeRun("MatMulInteger", {a, b}, {}, {0, 1}).kernel, "reference");
}

TEST(ConvIntegerKernel, EqualsTheReference) {
  for (const DType type : {DType::u8, DType::i8}) {
    SCOPED_TRACE(dtype_name(type));
    const Tensor x = random_bytes(type, {2, 16, 9, 7}, 1),
                 w = random_bytes(DType::i8, {8, 16, 3, 3}, 2, top_of_weights());
    const std::map<std::string, Attribute> pads = {{"pads", Ints{1, 1, 1, 1}}};
    NodeRun("ConvInteger", {x, w}).expect_equal();
    NodeRun("ConvInteger", {x, w, byte_scalar(type, 7)}, pads).expect_equal();
    NodeRun("ConvInteger", {x, w, byte_scalar(type, 111)}, pads, {0, 2}).expect_equal();
  }
}

TEST(QLinearMatMulKernel, EqualsTheReference) {
  for (const DType type : {DType::u8, DType::i8})
    for (const DType out : {DType::u8, DType::i8}) {
      const Tensor a = random_bytes(type, {2, 9, 70}, 1), b = random_bytes(DType::i8, {70, 21}, 2);
      Tensor scales(DType::f32, {21});
      for (std::int64_t i = 0; i < 21; ++i) scales.data<float>()[i] = 0.001f * static_cast<float>(i + 1);
      NodeRun("QLinearMatMul", {a, test::floats({}, {0.02f}), byte_scalar(type, 11), b, scales,
                                byte_scalar(DType::i8, 0), test::floats({}, {0.13f}), byte_scalar(out, 20)})
          .expect_close();
    }
}

TEST(QLinearMatMulKernel, LeavesWhatIsNotConstantToTheReference) {
  const Tensor a = random_bytes(DType::u8, {9, 7}, 1), b = random_bytes(DType::i8, {7, 3}, 2);
  const std::vector<Tensor> inputs = {a,
                                      test::floats({}, {0.02f}),
                                      byte_scalar(DType::u8, 11),
                                      b,
                                      test::floats({}, {0.01f}),
                                      byte_scalar(DType::i8, 0),
                                      test::floats({}, {0.13f}),
                                      byte_scalar(DType::u8, 20)};
  NodeRun("QLinearMatMul", inputs).expect_close();
  for (const std::size_t i : {1, 2, 3, 6, 7})
    EXPECT_EQ(NodeRun("QLinearMatMul", inputs, {}, {0, i}).kernel, "reference") << i;
}

TEST(QLinearConvKernel, EqualsTheReference) {
  for (const DType type : {DType::u8, DType::i8})
    for (const bool bias : {false, true}) {
      const Tensor x = random_bytes(type, {2, 16, 9, 7}, 1), w = random_bytes(DType::i8, {8, 16, 3, 3}, 2);
      Tensor scales(DType::f32, {8}), added;
      for (std::int64_t i = 0; i < 8; ++i) scales.data<float>()[i] = 0.001f * static_cast<float>(i + 1);
      if (bias) added = Tensor::from<std::int32_t>({8}, {100, -2000, 30000, 4, 5, -60000, 7, 8});
      std::vector<Tensor> inputs = {
          x,      test::floats({}, {0.02f}), byte_scalar(type, 11),     w,
          scales, byte_scalar(DType::i8, 0), test::floats({}, {0.13f}), byte_scalar(type, 20)};
      if (bias) inputs.push_back(added);
      NodeRun("QLinearConv", inputs, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 1}}}).expect_close();
    }
}

TEST(DynamicQuantizeLinearKernel, EqualsTheReference) {
  for (const std::int64_t n : {1, 7, 40000}) {
    for (const float offset : {-3.0f, 0.0f, 5.0f}) {
      Rng rng(static_cast<std::uint64_t>(n));
      Tensor x(DType::f32, {n});
      for (std::int64_t i = 0; i < n; ++i) x.data<float>()[i] = static_cast<float>(rng.normal()) + offset;
      edgeclip::test::GraphMaker m;
      const ValueId in = m.input("x", DType::f32, {n}), y = m.node("DynamicQuantizeLinear", {in});
      m.graph.outputs = {y};
      for (const char* name : {"scale", "zero"}) {
        Value value;
        value.name = name;
        m.graph.outputs.push_back(m.graph.add_value(std::move(value)));
        m.graph.nodes().back().outputs.push_back(m.graph.outputs.back());
      }
      const Session session(m.graph, {});
      Context context(session);
      EXPECT_EQ(context.layers({x.shape()}).at(0).kernel, "simd:dynamic_quantize_linear");
      const auto given = context.run({x.view()}), expected = run_reference(m.graph, {x.view()});
      for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(std::memcmp(given[i].raw(), expected[i].raw(), expected[i].bytes()), 0)
            << n << " output " << i;
    }
  }
}

}  // namespace
}  // namespace edgeclip::engine
