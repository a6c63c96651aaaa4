// edgeclip.QuantConv: the reference against hand-made numbers, oneDNN against the reference.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <optional>
#include <set>

#include "base/rng.h"
#include "engine/cpu/int8_products.h"
#include "engine/node_support.h"
#include "engine/ops/quant_conv.h"

namespace edgeclip::engine {
namespace {

using Ints = std::vector<std::int64_t>;

struct Case {
  std::string name;
  Shape x, w;
  std::map<std::string, Attribute> attributes;
  DType type = DType::u8;
  bool bias = true, residual = false;
  std::string activation = "", out = "";
  int top = 127;  ///< largest weight
  DType residual_type = DType::f32;
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

/// Bytes of (N, C, spatial...) as (N, spatial..., C), or back.
Tensor moved(const Tensor& value, bool to_channels_last) {
  Tensor result(value.dtype(), value.shape());
  const std::int64_t n = value.dim(0), c = value.dim(1), plane = value.elements() / (n * c);
  const std::size_t size = dtype_size(value.dtype());
  for (std::int64_t b = 0; b < n; ++b)
    for (std::int64_t k = 0; k < c; ++k)
      for (std::int64_t p = 0; p < plane; ++p) {
        const auto plain = static_cast<std::size_t>((b * c + k) * plane + p) * size,
                   last = static_cast<std::size_t>((b * plane + p) * c + k) * size;
        std::copy_n(value.raw() + (to_channels_last ? plain : last), size,
                    result.raw() + (to_channels_last ? last : plain));
      }
  return result;
}

/// A node with its tensors, and what runs it.
struct ConvProblem {
  Node node;
  std::vector<Tensor> tensors;
  Inputs inputs;
  DType out_type = DType::f32;
  Shape out_shape;

  explicit ConvProblem(const Case& c, std::uint64_t seed = 3) {
    Rng rng(seed);
    Tensor x(c.type, c.x), w(DType::i8, c.w), scale(DType::f32, {c.w[0]}), bias(DType::f32, {c.w[0]});
    for (std::int64_t i = 0; i < x.elements(); ++i) x.raw()[i] = static_cast<std::byte>(rng.below(256));
    // Long runs of extreme products, which 16-bit sums would saturate on.
    for (std::int64_t i = 0; i < w.elements(); ++i)
      w.data<std::int8_t>()[i] = static_cast<std::int8_t>(rng.chance(0.5) ? c.top : rng.range(-c.top, c.top));
    const double taps = static_cast<double>(w.elements()) / static_cast<double>(c.w[0]);
    for (std::int64_t i = 0; i < c.w[0]; ++i) {
      scale.data<float>()[i] = static_cast<float>(rng.uniform(0.5, 2.0) / std::sqrt(taps) / c.top);
      bias.data<float>()[i] = static_cast<float>(rng.normal());
    }
    tensors = {x, w, scale, c.bias ? bias : Tensor()};
    node = test::node_of("QuantConv", tensors, c.attributes, 1, 1);
    node.domain = "edgeclip";
    node.attributes["x_scale"] = 0.02f;
    node.attributes["x_zero_point"] = std::int64_t{c.type == DType::u8 ? 117 : -11};
    node.attributes["activation"] = c.activation;
    if (c.activation == "clip" || c.activation == "leaky_relu") node.attributes["activation_alpha"] = 0.1f;
    if (c.activation == "clip") node.attributes["activation_beta"] = 2.5f;
    if (c.activation == "hard_sigmoid") {
      node.attributes["activation_alpha"] = 0.2f;
      node.attributes["activation_beta"] = 0.5f;
    }
    if (!c.out.empty()) {
      node.attributes["out_type"] = c.out;
      node.attributes["out_scale"] = 0.0271f;
      node.attributes["out_zero_point"] = std::int64_t{c.out == "uint8" ? 101 : -5};
    }
    see();
    infer();
    if (!c.residual) return;
    Tensor residual(c.residual_type, out_shape);
    if (c.residual_type == DType::f32)
      for (std::int64_t i = 0; i < residual.elements(); ++i)
        residual.data<float>()[i] = static_cast<float>(rng.normal());
    else
      for (std::int64_t i = 0; i < residual.elements(); ++i) residual.raw()[i] = static_cast<std::byte>(rng.below(256));
    if (c.residual_type != DType::f32) {
      node.attributes["residual_scale"] = 0.0173f;
      node.attributes["residual_zero_point"] = std::int64_t{c.residual_type == DType::u8 ? 94 : 7};
    }
    tensors.push_back(residual);
    node.inputs = {0, 1, 2, c.bias ? 3 : kNoValue, 4};
    see();
  }

  void see() {
    inputs.clear();
    for (const Tensor& t : tensors) inputs.push_back(t.defined() ? t.view() : TensorView{});
  }
  void infer() {
    ShapeContext context{node, inputs, {}, {}};
    check_node(node);
    infer_node(context);
    out_type = context.output_dtypes.at(0);
    out_shape = context.output_shapes.at(0);
  }

  Tensor reference() { return evaluate_node(node, inputs).at(0); }

  /// By the kernel of a path, or of the CPU's own choice, in the layouts that it asks for; `kernel` is its
  /// name.
  Tensor fast(std::optional<Int8Path> path, std::string* kernel, bool in_place = false) {
    Inputs known = inputs;
    for (const std::size_t i : {0, 4})
      if (i < known.size()) known[i].data = nullptr;
    CpuState state;
    const PrepareRequest request{node, known, state};
    const auto prepared = path ? prepare_quant_conv(request, *path) : prepare_quant_conv(request);
    if (!prepared) {
      *kernel = "none";
      return {};
    }
    const Layouts layouts = prepared->layouts(known, {{out_type, out_shape, nullptr}}, {});
    Scratch scratch;
    const auto bound = prepared->bind({known, {{out_type, out_shape, nullptr}}, layouts, scratch});
    *kernel = bound->implementation();
    std::vector<std::byte> memory(scratch.needed() + 64);
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    scratch.place(memory.data() + (64 - address % 64) % 64);
    Inputs given = inputs;
    std::vector<Tensor> copies;
    for (const std::size_t i : {0, 4}) {
      if (i >= given.size()) continue;
      copies.push_back(moved(tensors[i], layouts.inputs[i] == Layout::channels_last));
      given[i].data = copies.back().raw();
    }
    Tensor out(out_type, out_shape);
    if (in_place) out = copies.back();
    for (int again = 0; again < (in_place ? 1 : 2); ++again)
      bound->run(given, {{out_type, out_shape, out.raw()}});
    return layouts.outputs[0] == Layout::channels_last ? moved(out, false) : out;
  }
};

void expect_near(const Tensor& expected, const Tensor& actual, double tolerance) {
  ASSERT_EQ(expected.shape(), actual.shape());
  ASSERT_EQ(expected.dtype(), actual.dtype());
  std::int64_t apart = 0;
  for (std::int64_t i = 0; i < expected.elements(); ++i) {
    if (expected.dtype() == DType::f32) {
      const double e = expected.data<float>()[i];
      ASSERT_NEAR(e, actual.data<float>()[i], tolerance * (4 + std::abs(e))) << "at " << i;
      continue;
    }
    // A step apart where rounding falls the other way, which is seldom.
    const bool is_signed = expected.dtype() == DType::i8;
    const int e = is_signed ? int{expected.data<std::int8_t>()[i]} : int{expected.data<std::uint8_t>()[i]},
              a = is_signed ? int{actual.data<std::int8_t>()[i]} : int{actual.data<std::uint8_t>()[i]};
    ASSERT_LE(std::abs(e - a), 1) << "at " << i;
    apart += e != a;
  }
  EXPECT_LE(apart, 1 + expected.elements() / 100);
}

TEST(QuantConvReference, ComputesTheDefinition) {
  ConvProblem p({"hand", {1, 1, 3}, {2, 1, 2}, {{"pads", Ints{1, 0}}}, DType::u8, true, true, "relu"});
  p.node.attributes["x_scale"] = 0.5f;
  p.node.attributes["x_zero_point"] = std::int64_t{10};
  const std::uint8_t x[] = {12, 7, 10};  // 2, -3, 0; 0 before them
  const std::int8_t w[] = {100, 50, -100, 127};
  std::copy(x, x + 3, p.tensors[0].data<std::uint8_t>());
  std::copy(w, w + 4, p.tensors[1].data<std::int8_t>());
  const float scale[] = {0.1f, 0.2f}, bias[] = {1, -2}, residual[] = {0, 0, 0, 0.5f, 60, 0};
  std::copy(scale, scale + 2, p.tensors[2].data<float>());
  std::copy(bias, bias + 2, p.tensors[3].data<float>());
  std::copy(residual, residual + 6, p.tensors[4].data<float>());
  // sums 100, 50, -300; 254, -581, 300
  const auto y = test::elements_of<float>(p.reference());
  EXPECT_FLOAT_EQ(y[0], 6);
  EXPECT_FLOAT_EQ(y[1], 3.5f);
  EXPECT_FLOAT_EQ(y[2], 0);
  EXPECT_FLOAT_EQ(y[3], 23.9f);
  EXPECT_NEAR(y[4], 0, 1e-5);  // -58.1 - 2 + 60 < 0
  EXPECT_FLOAT_EQ(y[5], 28);
  p.node.attributes["out_type"] = std::string("uint8");
  p.node.attributes["out_scale"] = 0.1f;
  p.node.attributes["out_zero_point"] = std::int64_t{20};
  EXPECT_EQ(test::elements_of<std::uint8_t>(p.reference()),
            (std::vector<std::uint8_t>{80, 55, 20, 255, 20, 255}));
}

TEST(QuantConvReference, AddsAResidualOfEightBits) {
  Case c{"hand", {1, 1, 2}, {1, 1, 1}, {}, DType::u8, false, true};
  c.residual_type = DType::i8;
  ConvProblem p(c);
  p.node.attributes["x_scale"] = 1.0f;
  p.node.attributes["x_zero_point"] = std::int64_t{0};
  p.node.attributes["residual_scale"] = 0.25f;
  p.node.attributes["residual_zero_point"] = std::int64_t{-8};
  const std::uint8_t x[] = {3, 5};
  const std::int8_t residual[] = {4, -16};  // 3, -2
  std::copy(x, x + 2, p.tensors[0].data<std::uint8_t>());
  *p.tensors[1].data<std::int8_t>() = 2;
  *p.tensors[2].data<float>() = 1;
  std::copy(residual, residual + 2, p.tensors[4].data<std::int8_t>());
  EXPECT_EQ(test::elements_of<float>(p.reference()), (std::vector<float>{9, 8}));
}

TEST(QuantConvReference, RefusesWhatDoesNotFit) {
  const Case c{"c", {1, 2, 5, 4}, {3, 2, 2, 2}, {}, DType::u8, true, true};
  const auto refused = [&](const std::function<void(ConvProblem&)>& change) {
    ConvProblem p(c);
    p.infer();
    change(p);
    return test::invalid_input_of([&] { p.infer(); });
  };
  EXPECT_NE(refused([](ConvProblem& p) { p.inputs[0].dtype = DType::f32; }), "");
  EXPECT_NE(refused([](ConvProblem& p) { p.inputs[1].dtype = DType::u8; }).find("not int8"),
            std::string::npos);
  EXPECT_NE(refused([](ConvProblem& p) { p.inputs[2].shape = {2}; }).find("w_scale"), std::string::npos);
  EXPECT_NE(refused([](ConvProblem& p) { p.inputs[3].shape = {2}; }).find("bias"), std::string::npos);
  EXPECT_NE(refused([](ConvProblem& p) {
              p.inputs[4].shape = {1, 3, 4, 4};
            }).find("residual"),
            std::string::npos);
  EXPECT_NE(refused([](ConvProblem& p) { p.inputs[4].dtype = DType::u8; }).find("float32"), std::string::npos);
  EXPECT_NE(refused([](ConvProblem& p) { p.node.attributes["residual_scale"] = 0.5f; }), "");
  EXPECT_NE(refused([](ConvProblem& p) {
              p.inputs[4].dtype = DType::i8;
              p.node.attributes["residual_scale"] = 0.5f;
              p.node.attributes["residual_zero_point"] = std::int64_t{128};
            }).find("-128..127"),
            std::string::npos);
  EXPECT_NE(refused([](ConvProblem& p) {
              p.inputs[0].shape = {1, 3, 5, 4};
            }).find("do not fit"),
            std::string::npos);
  EXPECT_NE(refused([](ConvProblem& p) { p.node.attributes.erase("x_scale"); }).find("x_scale"),
            std::string::npos);
  EXPECT_NE(refused([](ConvProblem& p) { p.node.attributes["x_scale"] = -1.0f; }).find("x_scale"),
            std::string::npos);
  EXPECT_NE(
      refused([](ConvProblem& p) { p.node.attributes["x_zero_point"] = std::int64_t{-1}; }).find("0..255"),
      std::string::npos);
  EXPECT_NE(
      refused([](ConvProblem& p) { p.node.attributes["out_type"] = std::string("uint8"); }).find("out_scale"),
      std::string::npos);
  EXPECT_NE(
      refused([](ConvProblem& p) { p.node.attributes["activation"] = std::string("selu"); }).find("selu"),
      std::string::npos);
}

class QuantConvKernels : public testing::TestWithParam<Case> {};

TEST_P(QuantConvKernels, AgreeWithTheReference) {
  Case c = GetParam();
  ConvProblem p(c);
  const Tensor expected = p.reference();
  std::string kernel;
  const Tensor chosen = p.fast({}, &kernel);
  {
    SCOPED_TRACE(kernel);
    EXPECT_EQ(kernel.rfind("onednn:", 0), 0u);
#if defined(__x86_64__)
    EXPECT_EQ(kernel.find("ref"), std::string::npos);
    const bool two_factors = c.residual_type != DType::f32 && !c.out.empty() && !c.activation.empty() &&
                             c.activation != "relu" && c.activation != "clip" && c.activation != "leaky_relu" &&
                             c.activation != "hard_sigmoid";
    if (!int8_products_saturate() && !two_factors) {
      EXPECT_EQ(kernel.find("widened"), std::string::npos);
    }
#else
    EXPECT_NE(kernel.find("widened"), std::string::npos);  // all of oneDNN's own are over its reference product there
#endif
    expect_near(expected, chosen, 1e-5);
  }
  expect_near(expected, p.fast(Int8Path::widened, &kernel), 2e-5);
  EXPECT_NE(kernel.find("widened"), std::string::npos);
  if (c.residual && c.residual_type == p.out_type)
    expect_near(expected, p.fast({}, &kernel, true), 1e-5);

  if (int8_products_saturate()) c.top = 64;
  ConvProblem seven(c);
  const Tensor shifted = seven.fast(Int8Path::shifted, &kernel);
  SCOPED_TRACE(kernel);
  expect_near(seven.reference(), shifted, 1e-5);
}

std::vector<Case> shapes() {
  const auto pads = [](std::int64_t n) {
    return std::pair<const std::string, Attribute>{"pads", Ints{n, n, n, n}};
  };
  const auto strides = [](std::int64_t n) {
    return std::pair<const std::string, Attribute>{"strides", Ints{n, n}};
  };
  const auto group = [](std::int64_t n) { return std::pair<const std::string, Attribute>{"group", n}; };
  const std::vector<Case> geometries = {
      {"one", {2, 16, 7, 9}, {24, 16, 1, 1}, {}},
      {"three", {2, 16, 7, 9}, {24, 16, 3, 3}, {pads(1)}},
      {"odd_channels", {1, 5, 9, 8}, {7, 5, 3, 3}, {pads(1), strides(2)}},
      {"pixels", {1, 3, 20, 17}, {16, 3, 7, 7}, {pads(3), strides(2)}},
      {"patches", {2, 3, 16, 16}, {32, 3, 8, 8}, {strides(8)}},
      {"uneven_padding", {1, 8, 9, 7}, {6, 8, 3, 3}, {{"pads", Ints{0, 1, 2, 0}}, {"strides", Ints{2, 1}}}},
      {"same_upper", {1, 8, 9, 8}, {6, 8, 3, 2}, {{"auto_pad", std::string("SAME_UPPER")}, strides(2)}},
      {"dilated", {1, 16, 9, 9}, {16, 16, 3, 3}, {{"dilations", Ints{2, 2}}, pads(2)}},
      {"grouped", {1, 32, 9, 9}, {32, 16, 3, 3}, {group(2), pads(1)}},
      {"small_groups", {1, 12, 7, 7}, {6, 4, 3, 3}, {group(3), pads(1)}},
      {"depthwise", {2, 32, 9, 8}, {32, 1, 3, 3}, {group(32), pads(1)}},
      {"depthwise_odd", {1, 19, 9, 8}, {19, 1, 3, 3}, {group(19), pads(1), strides(2)}},
      {"depthwise_wide", {1, 24, 9, 9}, {24, 1, 5, 5}, {group(24), pads(2)}},
      {"one_dimension", {2, 16, 19}, {8, 16, 3}, {{"pads", Ints{1, 1}}}},
      {"three_dimensions",
       {1, 8, 5, 9, 8},
       {16, 8, 3, 3, 3},
       {{"pads", Ints{1, 1, 1, 1, 1, 1}}, {"strides", Ints{1, 2, 2}}}},
      {"one_place", {4, 64, 1, 1}, {10, 64, 1, 1}, {}},
  };
  std::vector<Case> all;
  int number = 0;
  const char* activations[] = {"", "relu", "clip", "hard_swish", "sigmoid", "leaky_relu", "relu"};
  for (const Case& geometry : geometries)
    for (const DType type : {DType::u8, DType::i8})
      for (const char* out : {"", "uint8", "int8"}) {
        Case c = geometry;
        c.type = type;
        c.out = out;
        c.residual = number % 2 == 1;
        c.bias = number % 5 != 2;
        c.activation = activations[number % 7];
        c.name += std::string("_") + dtype_name(type) + "_" + (*out ? out : "float") +
                  (c.residual ? "_residual" : "");
        all.push_back(c);
        ++number;
      }
  const auto add = [&](Case c, DType x, std::optional<DType> residual, const char* out, const char* activation) {
    c.type = x;
    c.out = out;
    c.residual = residual.has_value();
    c.residual_type = residual.value_or(DType::f32);
    c.bias = number++ % 5 != 2;
    c.activation = activation;
    c.name += std::string("_") + dtype_name(x) + "_" + (*out ? out : "float") + "_" + activation + "_with_" +
              (residual ? dtype_name(*residual) : "nothing");
    all.push_back(c);
  };
  // What a sum of bytes meets, all with all, where a kernel of its own stands behind; elsewhere each once.
  const std::set<std::string> all_with_all = {"one", "three", "depthwise"};
  for (const Case& geometry : geometries)
    for (const DType residual : {DType::u8, DType::i8}) {
      if (!all_with_all.count(geometry.name)) {
        add(geometry, number % 2 ? DType::u8 : DType::i8, residual, residual == DType::u8 ? "uint8" : "int8", activations[number % 7]);
        continue;
      }
      for (const DType x : {DType::u8, DType::i8})
        for (const char* out : {"", "uint8", "int8"})
          for (const char* activation : {"", "relu", "clip", "leaky_relu", "hard_sigmoid", "hard_swish"})
            add(geometry, x, residual, out, activation);
    }
  // A function that is a factor itself.
  for (const Case& geometry : geometries)
    for (const std::optional<DType> residual : {std::optional<DType>(), std::optional(DType::f32)})
      for (const char* out : {"", "uint8"}) add(geometry, DType::u8, residual, out, "hard_sigmoid");
  return all;
}

INSTANTIATE_TEST_SUITE_P(Shapes, QuantConvKernels, testing::ValuesIn(shapes()),
                         [](const testing::TestParamInfo<Case>& info) { return info.param.name; });

TEST(QuantConvDispatch, LeavesTheRestToTheReference) {
  const Case c{"c", {1, 2, 5, 4}, {3, 2, 2, 2}, {}};
  std::string kernel;
  ConvProblem zero_scale(c);
  zero_scale.tensors[2].data<float>()[1] = 0;
  zero_scale.fast({}, &kernel);
  EXPECT_EQ(kernel, "none");
  ConvProblem dynamic_weights(c);
  dynamic_weights.inputs[1].data = nullptr;
  dynamic_weights.fast({}, &kernel);
  EXPECT_EQ(kernel, "none");
  ConvProblem dynamic_bias(c);
  dynamic_bias.inputs[3].data = nullptr;
  dynamic_bias.fast({}, &kernel);
  EXPECT_EQ(kernel, "none");
}

}  // namespace
}  // namespace edgeclip::engine
