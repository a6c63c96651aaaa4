// The CPU backend's loops for operators that are neither products nor convolutions, against the reference: on
// a small node of every operator and type, on odd shapes, on shapes large enough to be divided among threads,
// and between operators that want channels last.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "engine/graph_support.h"
#include "engine/ops/support.h"
#include "engine/runtime/session.h"
#include "engine/sample_nodes.h"
#include "engine/small_graphs.h"
#include "support/support.h"

namespace edgeclip::engine {
namespace {

using Ints = std::vector<std::int64_t>;
using Attributes = std::map<std::string, Attribute>;

/// Both equal: to the bit, or floats within the tolerance relative to what is larger, 1 or the value.
void expect_close(const Tensor& got, const Tensor& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.dtype(), want.dtype()) << what;
  ASSERT_EQ(got.shape(), want.shape()) << what;
  if (got.bytes() == 0 || std::memcmp(got.raw(), want.raw(), got.bytes()) == 0) return;
  ASSERT_TRUE(got.dtype() == DType::f32 && tolerance > 0) << what << ": other bits";
  for (std::int64_t i = 0; i < got.elements(); ++i) {
    const auto a = static_cast<double>(got.data<float>()[i]), b = static_cast<double>(want.data<float>()[i]);
    if (std::isnan(a) && std::isnan(b)) continue;
    ASSERT_LE(std::fabs(a - b), tolerance * std::max(1.0, std::fabs(b))) << what << " at " << i;
  }
}

/// The results of both backends on the graph; layers: the fast one's kernels.
void expect_as_reference(const Graph& graph, const std::vector<Tensor>& inputs, double tolerance,
                         const std::string& what, std::vector<Context::Layer>* layers = nullptr) {
  const Session fast(graph, {}), reference(graph, test::reference_options());
  Context context(fast), oracle(reference);
  std::vector<TensorView> views;
  for (const Tensor& input : inputs) views.push_back(input.view());
  const std::vector<Tensor> want = oracle.run(views);
  for (int again = 0; again < 2; ++again) {  // nothing may be left over from the run before
    const std::vector<Tensor> got = context.run(views);
    ASSERT_EQ(got.size(), want.size()) << what;
    for (std::size_t i = 0; i < got.size(); ++i) expect_close(got[i], want[i], tolerance, what);
  }
  if (layers == nullptr) return;
  std::vector<Shape> shapes;
  for (const Tensor& input : inputs) shapes.push_back(input.shape());
  *layers = context.layers(shapes);
}

/// One node; `known` says which inputs are constants.
Graph graph_of(const Node& node, const std::vector<Tensor>& inputs, const std::vector<bool>& known,
               std::vector<Tensor>* given) {
  edgeclip::test::GraphMaker maker;
  Node own = node;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined()) {
      own.inputs[i] = kNoValue;
    } else if (known[i]) {
      own.inputs[i] = maker.graph.add_constant("c" + std::to_string(i), inputs[i]);
    } else {
      own.inputs[i] = maker.input("i" + std::to_string(i), inputs[i].dtype(), inputs[i].shape());
      given->push_back(inputs[i]);
    }
  }
  for (std::size_t i = 0; i < own.outputs.size(); ++i) {
    Value value;
    value.name = "y" + std::to_string(i);
    own.outputs[i] = maker.graph.add_value(std::move(value));
  }
  maker.graph.outputs = own.outputs;
  maker.graph.add_node(std::move(own));
  return maker.graph;
}

TEST(FastKernels, EveryOperatorOfEveryTypeGivesWhatTheReferenceGives) {
  int compared = 0;
  for (const test::Sample& sample : test::samples()) {
    for (const DType dtype : test::kAllTypes) {
      if (!test::takes(sample, dtype)) continue;
      const std::vector<Tensor> inputs = sample.tensors(dtype, is_float(dtype));
      std::vector<bool> known(inputs.size());
      for (std::size_t i = 0; i < inputs.size(); ++i) known[i] = i > 0 && !sample.inputs[i].varies;
      std::vector<Tensor> given;
      const Graph graph = graph_of(sample.node, inputs, known, &given);
      try {
        expect_as_reference(graph, given, 2e-5, sample.node.name + " " + dtype_name(dtype));
        ++compared;
      } catch (const Unsupported&) {  // its shape depends on data, or its types on each other
      } catch (const InvalidInput& error) {
        ADD_FAILURE() << sample.node.name << " " << dtype_name(dtype) << ": " << error.what();
      }
    }
  }
  EXPECT_GT(compared, 600);
}

Tensor random(DType dtype, const Shape& shape, std::uint64_t seed, std::int64_t below = 100) {
  if (dtype == DType::f32) return test::random_floats(shape, seed);
  Rng rng(seed);
  Tensor tensor(dtype, shape);
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    const auto value = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(below)));
    if (dtype == DType::i64) tensor.data<std::int64_t>()[i] = value;
    if (dtype == DType::i32) tensor.data<std::int32_t>()[i] = static_cast<std::int32_t>(value);
    if (dtype == DType::u8) tensor.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(value);
    if (dtype == DType::boolean) tensor.data<bool>()[i] = value % 2 == 1;
  }
  return tensor;
}
Tensor longs(const Ints& values) { return Tensor::from({static_cast<std::int64_t>(values.size())}, values); }
Tensor scales(const std::vector<float>& values) {
  return Tensor::from({static_cast<std::int64_t>(values.size())}, values);
}

struct FastCase {
  std::string name, op, kernel;
  int opset;
  Attributes attributes;
  std::vector<Tensor> inputs;  ///< one that is not defined is left out
  std::vector<std::size_t> constants;
  double tolerance = 0;
  int outputs = 1;

  friend void PrintTo(const FastCase& c, std::ostream* out) { *out << c.name; }
};

class FastKernel : public testing::TestWithParam<FastCase> {};

TEST_P(FastKernel, AgreesWithReference) {
  const FastCase& c = GetParam();
  Node node;
  node.name = c.name;
  node.op = c.op;
  node.opset = c.opset;
  node.attributes = c.attributes;
  node.inputs.resize(c.inputs.size());
  node.outputs.resize(static_cast<std::size_t>(c.outputs));
  std::vector<bool> known(c.inputs.size());
  for (const std::size_t i : c.constants) known[i] = true;
  std::vector<Tensor> given;
  const Graph graph = graph_of(node, c.inputs, known, &given);
  std::vector<Context::Layer> layers;
  expect_as_reference(graph, given, c.tolerance, c.name, &layers);
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_EQ(layers[0].kernel.rfind(c.kernel, 0), 0u) << layers[0].kernel;
}

std::string fast_case_name(const testing::TestParamInfo<FastCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Parts, FastKernel,
    testing::Values(
        FastCase{"hard_sigmoid", "HardSigmoid", "loop:parts", 17, {}, {random(DType::f32, {3, 101, 257}, 1)}, {}},
        FastCase{"erf", "Erf", "loop:parts", 17, {}, {random(DType::f32, {70001}, 1)}, {}},
        FastCase{"clip_computed", "Clip", "loop:parts", 17, {}, {random(DType::f32, {7, 9001}, 1), Tensor::from<float>({}, {-0.5f}), Tensor::from<float>({}, {0.75f})}, {}},
        FastCase{"clip_integers", "Clip", "loop:parts", 17, {}, {random(DType::i64, {7, 9001}, 1), Tensor::from<std::int64_t>({}, {10}), Tensor()}, {1}},
        FastCase{"not", "Not", "loop:parts", 17, {}, {random(DType::boolean, {65537}, 1)}, {}},
        FastCase{"greater_outer", "Greater", "loop:parts", 17, {}, {random(DType::f32, {301, 1}, 1), random(DType::f32, {1, 257}, 2)}, {}},
        FastCase{"less_rows", "Less", "loop:parts", 17, {}, {random(DType::i64, {2, 3, 91, 61}, 1), random(DType::i64, {91, 1}, 2)}, {}},
        FastCase{"and_mask", "And", "loop:parts", 17, {}, {random(DType::boolean, {4, 1, 1, 130}, 1), random(DType::boolean, {1, 1, 130, 130}, 2)}, {}},
        FastCase{"where_mask", "Where", "loop:parts", 17, {}, {random(DType::boolean, {2, 1, 97, 97}, 1), random(DType::f32, {2, 5, 97, 97}, 2), Tensor::from<float>({}, {-1e9f})}, {2}},
        FastCase{"where_longs", "Where", "loop:parts", 17, {}, {random(DType::boolean, {33, 1001}, 1), random(DType::i64, {1001}, 2), random(DType::i64, {33, 1}, 3)}, {}},
        FastCase{"add_outer_large", "Add", "loop:parts", 17, {}, {random(DType::f32, {301, 1}, 1), random(DType::f32, {1, 257}, 2)}, {}},
        FastCase{"sub_from_row", "Sub", "loop:parts", 17, {}, {random(DType::f32, {257}, 1), random(DType::f32, {301, 257}, 2)}, {}},
        FastCase{"add_longs", "Add", "loop:parts", 17, {}, {random(DType::i64, {301, 257}, 1), random(DType::i64, {257}, 2)}, {}},
        FastCase{"equal_rows_large", "Equal", "loop:parts", 17, {}, {random(DType::i64, {301, 257}, 1), random(DType::i64, {257}, 2)}, {}},
        FastCase{"sum_of_three", "Sum", "loop:parts", 17, {}, {random(DType::f32, {301, 257}, 1), random(DType::f32, {257}, 2), random(DType::f32, {301, 1}, 3)}, {}},
        FastCase{"prelu", "PRelu", "loop:parts", 17, {}, {random(DType::f32, {2, 33, 31, 29}, 1), random(DType::f32, {33, 1, 1}, 2)}, {1}},
        FastCase{"pow", "Pow", "loop:parts", 17, {}, {random(DType::f32, {33001}, 1), Tensor::from<float>({}, {2})}, {1}},
        FastCase{"topk", "TopK", "loop:parts", 17, {{"axis", std::int64_t{1}}}, {random(DType::f32, {37, 29, 31}, 1), longs({5})}, {1}, 0, 2},
        FastCase{"topk_smallest", "TopK", "loop:parts", 17, {{"largest", std::int64_t{0}}}, {random(DType::i64, {37, 2, 301}, 1), longs({300})}, {1}, 0, 2},
        FastCase{"cumsum", "CumSum", "loop:parts", 17, {{"reverse", std::int64_t{1}}}, {random(DType::f32, {5, 77, 91}, 1), Tensor::from<std::int64_t>({}, {-1})}, {1}},
        FastCase{"trilu", "Trilu", "loop:parts", 17, {}, {random(DType::f32, {7, 3, 65, 63}, 1), Tensor::from<std::int64_t>({}, {1})}, {1}},
        FastCase{"reduce_min", "ReduceMin", "loop:parts", 17, {{"axes", Ints{1, 3}}}, {random(DType::f32, {5, 17, 19, 23}, 1)}, {}},
        FastCase{"norm_of_two_axes", "LayerNormalization", "loop:parts", 17, {{"axis", std::int64_t{-2}}}, {random(DType::f32, {13, 41, 67}, 1), random(DType::f32, {41, 67}, 2)}, {1}, 0, 3},
        FastCase{"attention", "Attention", "loop:parts", 23, {{"is_causal", std::int64_t{1}}}, {random(DType::f32, {2, 3, 29, 16}, 1), random(DType::f32, {2, 3, 31, 16}, 2), random(DType::f32, {2, 3, 31, 24}, 3)}, {}},
        FastCase{"attention_mask", "Attention", "loop:parts", 23, {}, {random(DType::f32, {2, 4, 29, 16}, 1), random(DType::f32, {2, 4, 31, 16}, 2), random(DType::f32, {2, 4, 31, 24}, 3), random(DType::f32, {4, 29, 31}, 4)}, {}, 0, 4},
        FastCase{"attention_groups", "Attention", "loop:parts", 23, {}, {random(DType::f32, {3, 4, 29, 16}, 1), random(DType::f32, {3, 2, 31, 16}, 2), random(DType::f32, {3, 2, 31, 24}, 3), random(DType::boolean, {3, 1, 29, 31}, 4)}, {}},
        FastCase{"attention_packed", "Attention", "loop:parts", 23, {{"q_num_heads", std::int64_t{4}}, {"kv_num_heads", std::int64_t{2}}}, {random(DType::f32, {3, 29, 64}, 1), random(DType::f32, {3, 31, 32}, 2), random(DType::f32, {3, 31, 32}, 3)}, {}},
        FastCase{"grid_sample", "GridSample", "loop:parts", 17, {{"padding_mode", std::string("reflection")}}, {random(DType::f32, {2, 5, 13, 17}, 1), random(DType::f32, {2, 31, 29, 2}, 2)}, {}}),
    fast_case_name);

INSTANTIATE_TEST_SUITE_P(
    Moves, FastKernel,
    testing::Values(
        FastCase{"pad_constant", "Pad", "loop:axis_map", 17, {}, {random(DType::f32, {2, 3, 37, 41}, 1), longs({0, 0, 1, 2, 0, 0, 3, 0}), Tensor::from<float>({}, {0.5f})}, {1, 2}},
        FastCase{"pad_cuts", "Pad", "loop:axis_map", 17, {}, {random(DType::i64, {5, 37, 141}, 1), longs({1, -2, 0, 0, 3, -4})}, {1}},
        FastCase{"pad_reflect", "Pad", "loop:axis_map", 17, {{"mode", std::string("reflect")}}, {random(DType::f32, {2, 3, 37, 41}, 1), longs({0, 0, 3, 3, 0, 0, 3, 3})}, {1}},
        FastCase{"pad_edge", "Pad", "loop:axis_map", 17, {{"mode", std::string("edge")}}, {random(DType::u8, {3, 371, 41}, 1), longs({1, 0, 3, 0, 2, 50})}, {1}},
        FastCase{"pad_wrap_axes", "Pad", "loop:axis_map", 19, {{"mode", std::string("wrap")}}, {random(DType::f32, {3, 71, 41}, 1), longs({5, 6}), Tensor(), longs({1})}, {1, 3}},
        FastCase{"pad_old", "Pad", "loop:axis_map", 10, {{"pads", Ints{0, 1, 1, 0}}, {"value", -2.5f}}, {random(DType::f32, {171, 141}, 1)}, {}},
        FastCase{"pad_long_rows", "Pad", "loop:axis_map", 17, {}, {random(DType::f32, {3, 20011}, 1), longs({1, 2, 0, 3})}, {1}},
        FastCase{"tile", "Tile", "loop:axis_map", 17, {}, {random(DType::f32, {3, 5, 7, 11}, 1), longs({2, 1, 3, 5})}, {1}},
        FastCase{"tile_scalar", "Tile", "loop:axis_map", 17, {}, {random(DType::i64, {1}, 1), longs({50001})}, {1}},
        FastCase{"depth_to_space", "DepthToSpace", "loop:axis_map", 17, {{"blocksize", std::int64_t{2}}}, {random(DType::f32, {2, 12, 37, 41}, 1)}, {}},
        FastCase{"depth_to_space_crd", "DepthToSpace", "loop:axis_map", 17, {{"blocksize", std::int64_t{3}}, {"mode", std::string("CRD")}}, {random(DType::u8, {2, 18, 17, 41}, 1)}, {}},
        FastCase{"space_to_depth", "SpaceToDepth", "loop:axis_map", 17, {{"blocksize", std::int64_t{2}}}, {random(DType::f32, {2, 3, 38, 74}, 1)}, {}},
        FastCase{"transpose_longs", "Transpose", "loop:axis_map", 17, {{"perm", Ints{2, 0, 1}}}, {random(DType::i64, {37, 41, 29}, 1)}, {}},
        FastCase{"transpose_long_rows", "Transpose", "loop:axis_map", 17, {{"perm", Ints{1, 0, 2}}}, {random(DType::i64, {3, 5, 9001}, 1)}, {}},
        FastCase{"gather_elements", "GatherElements", "loop:gather_elements", 17, {{"axis", std::int64_t{1}}}, {random(DType::f32, {5, 97, 67}, 1), random(DType::i64, {4, 131, 61}, 2, 97)}, {}},
        FastCase{"gather_elements_first", "GatherElements", "loop:gather_elements", 17, {}, {random(DType::u8, {301, 67}, 1), random(DType::i32, {401, 67}, 2, 301)}, {}},
        FastCase{"scatter_elements", "ScatterElements", "loop:scatter_elements", 17, {{"axis", std::int64_t{-1}}}, {random(DType::f32, {97, 301}, 1), random(DType::i64, {91, 400}, 2, 301), random(DType::f32, {91, 400}, 3)}, {}},
        FastCase{"scatter_elements_add", "ScatterElements", "loop:scatter_elements", 17, {{"axis", std::int64_t{0}}, {"reduction", std::string("add")}}, {random(DType::f32, {97, 301}, 1), random(DType::i64, {400, 201}, 2, 97), random(DType::f32, {400, 201}, 3)}, {}},
        FastCase{"scatter_elements_max", "ScatterElements", "reference", 18, {{"reduction", std::string("max")}}, {random(DType::f32, {7, 3}, 1), random(DType::i64, {4, 3}, 2, 7), random(DType::f32, {4, 3}, 3)}, {}},
        FastCase{"scatter_nd", "ScatterND", "loop:scatter_nd", 17, {}, {random(DType::f32, {17, 9, 301}, 1), random(DType::i64, {90, 2}, 2, 9), random(DType::f32, {90, 301}, 3)}, {}},
        FastCase{"scatter_nd_add", "ScatterND", "loop:scatter_nd", 17, {{"reduction", std::string("add")}}, {random(DType::f32, {17, 9, 301}, 1), random(DType::i64, {90, 1}, 2, 17), random(DType::f32, {90, 9, 301}, 3)}, {}},
        FastCase{"scatter_nd_single", "ScatterND", "loop:scatter_nd", 17, {}, {random(DType::i64, {17, 9}, 1), random(DType::i64, {5, 40, 2}, 2, 9), random(DType::i64, {5, 40}, 3)}, {}}),
    fast_case_name);

std::vector<FastCase> resize_cases() {
  std::vector<FastCase> cases;
  int number = 0;
  const Tensor x = random(DType::f32, {2, 5, 13, 17}, 1);
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* coordinates :
         {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"})
      for (const std::vector<float>& by : {std::vector<float>{1, 1, 2, 2}, {1, 1, 0.6f, 1.7f}, {1, 1.4f, 1, 3}}) {
        Attributes attributes = {{"mode", std::string(mode)}, {"coordinate_transformation_mode", std::string(coordinates)}};
        if (number % 3 == 1) attributes["antialias"] = std::int64_t{1};
        if (number % 4 == 1) attributes["exclude_outside"] = std::int64_t{1};
        const bool nearest = std::string(mode) == "nearest";
        cases.push_back({std::string(mode) + "_" + std::to_string(number++), "Resize",
                         nearest ? "loop:axis_map" : "loop:resize", 19, attributes,
                         {x, Tensor(), scales(by)}, {2}, nearest ? 0 : 2e-6});
      }
  cases.push_back({"sizes_3d", "Resize", "loop:resize", 17, {{"mode", std::string("linear")}},
                   {random(DType::f32, {1, 3, 5, 14, 21}, 1), Tensor(), Tensor(), longs({1, 3, 9, 30, 22})}, {3}, 2e-6});
  cases.push_back({"nearest_longs", "Resize", "loop:axis_map", 17, {},
                   {random(DType::i64, {1, 3, 55, 41}, 1), Tensor(), scales({1, 1, 3, 2})}, {2}});
  cases.push_back({"upsample", "Upsample", "loop:axis_map", 9, {{"mode", std::string("nearest")}},
                   {random(DType::f32, {1, 3, 55, 41}, 1), scales({1, 1, 2, 2})}, {1}});
  cases.push_back({"upsample_linear", "Upsample", "loop:resize", 9, {{"mode", std::string("linear")}},
                   {random(DType::f32, {1, 3, 55, 41}, 1), scales({1, 1, 2, 2})}, {1}, 2e-6});
  cases.push_back({"linear_as_it_is", "Resize", "loop:resize", 17, {{"mode", std::string("linear")}},
                   {x, Tensor(), scales({1, 1, 1, 1})}, {2}});
  cases.push_back({"crops", "Resize", "reference", 17, {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string("tf_crop_and_resize")}},
                   {x, scales({0, 0, 0.2f, 0.2f, 1, 1, 0.7f, 1.3f}), Tensor(), longs({2, 5, 10, 10})}, {1, 3}});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Resize, FastKernel, testing::ValuesIn(resize_cases()), fast_case_name);

INSTANTIATE_TEST_SUITE_P(
    Norms, FastKernel,
    testing::Values(
        FastCase{"instance", "InstanceNormalization", "loop:group_norm", 17, {}, {random(DType::f32, {2, 7, 31, 33}, 1), random(DType::f32, {7}, 2), random(DType::f32, {7}, 3)}, {}, 2e-6},
        FastCase{"instance_one_place", "InstanceNormalization", "loop:group_norm", 17, {}, {random(DType::f32, {2, 7, 1}, 1), random(DType::f32, {7}, 2), random(DType::f32, {7}, 3)}, {1, 2}, 2e-6},
        FastCase{"group", "GroupNormalization", "loop:group_norm", 21, {{"num_groups", std::int64_t{3}}}, {random(DType::f32, {2, 9, 31, 33}, 1), random(DType::f32, {9}, 2), random(DType::f32, {9}, 3)}, {1, 2}, 2e-6},
        FastCase{"group_old", "GroupNormalization", "loop:group_norm", 18, {{"num_groups", std::int64_t{3}}}, {random(DType::f32, {2, 9, 31}, 1), random(DType::f32, {3}, 2), random(DType::f32, {3}, 3)}, {}, 2e-6},
        FastCase{"rms", "RMSNormalization", "loop:rms_norm", 23, {}, {random(DType::f32, {5, 37, 67}, 1), random(DType::f32, {67}, 2)}, {1}, 2e-6},
        FastCase{"rms_two_axes", "RMSNormalization", "loop:rms_norm", 23, {{"axis", std::int64_t{1}}}, {random(DType::f32, {5, 37, 67}, 1), random(DType::f32, {37, 67}, 2)}, {}, 2e-6},
        FastCase{"rms_scale_spread", "RMSNormalization", "reference", 23, {{"axis", std::int64_t{1}}}, {random(DType::f32, {5, 7, 6}, 1), random(DType::f32, {7, 1}, 2)}, {}, 2e-6},
        FastCase{"batch", "BatchNormalization", "loop:batch_norm", 17, {}, {random(DType::f32, {2, 7, 31, 33}, 1), random(DType::f32, {7}, 2), random(DType::f32, {7}, 3), random(DType::f32, {7}, 4), Tensor::from<float>({7}, {1, 2, 0.5f, 1, 3, 1, 1})}, {1, 2, 3, 4}, 1e-6},
        FastCase{"batch_rows", "BatchNormalization", "loop:batch_norm", 17, {}, {random(DType::f32, {200, 7}, 1), random(DType::f32, {7}, 2), random(DType::f32, {7}, 3), random(DType::f32, {7}, 4), Tensor::from<float>({7}, {1, 2, 0.5f, 1, 3, 1, 1})}, {}, 1e-6}),
    fast_case_name);

FastCase einsum(const std::string& name, const std::string& equation, const Shape& a, const Shape& b,
                const std::string& kernel = "onednn:") {
  return {name, "Einsum", kernel, 17, {{"equation", equation}}, {random(DType::f32, a, 1), random(DType::f32, b, 2)}, {}, 2e-5};
}
INSTANTIATE_TEST_SUITE_P(
    Einsum, FastKernel,
    testing::Values(einsum("products", "bij,bjk->bik", {3, 7, 13}, {3, 13, 9}),
                    einsum("scores", "bhid,bhjd->bhij", {2, 3, 11, 16}, {2, 3, 13, 16}),
                    einsum("values", "bhij,bhjd->bhid", {2, 3, 11, 13}, {2, 3, 13, 16}),
                    einsum("heads_last", "bihd,bjhd->bhij", {2, 11, 3, 16}, {2, 13, 3, 16}),
                    einsum("heads_inside", "bhij,bjhd->bihd", {2, 3, 11, 13}, {2, 13, 3, 16}),
                    einsum("turned_result", "ij,jk->ki", {11, 13}, {13, 7}),
                    einsum("graph_convolution", "nctv,vw->nctw", {2, 5, 7, 11}, {11, 11}),
                    einsum("pixels", "bqc,bchw->bqhw", {2, 4, 6}, {2, 6, 9, 5}),
                    einsum("outer", "i,j->ij", {11}, {13}), einsum("dot", "i,i->", {111}, {111}),
                    einsum("two_depths", "abcd,cde->abe", {2, 3, 5, 7}, {5, 7, 4}),
                    einsum("ellipsis", "...ij,...jk->...ik", {2, 3, 4, 5}, {2, 3, 5, 6}),
                    einsum("broadcasts", "bij,bjk->bik", {1, 7, 13}, {3, 13, 9}, "reference"),
                    einsum("diagonal", "ii,ij->ij", {5, 5}, {5, 3}, "reference"),
                    einsum("summed_alone", "ijk,jl->il", {3, 4, 5}, {4, 2}, "reference")),
    fast_case_name);

/// The operators between pools, which compute with channels last.
class ChannelsLast : public testing::Test {
 protected:
  edgeclip::test::GraphMaker maker_;
  ValueId x_ = maker_.input("x", DType::f32, {2, 12, 14, 10});

  ValueId pooled(ValueId x) {
    return maker_.node("MaxPool", {x}, {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}});
  }
  ValueId constant(const Tensor& tensor) {
    return maker_.graph.add_constant("c" + std::to_string(maker_.graph.value_count()), tensor);
  }
  /// Runs MaxPool -> op -> MaxPool, and demands that nothing in between is reordered where it follows.
  void check(const std::string& op, const std::vector<Tensor>& others, const Attributes& attributes, int opset,
             bool follows, double tolerance = 2e-6) {
    std::vector<ValueId> inputs = {pooled(x_)};
    for (const Tensor& other : others) inputs.push_back(other.defined() ? constant(other) : kNoValue);
    maker_.graph.outputs = {pooled(maker_.node(op, inputs, attributes, opset))};
    std::vector<Context::Layer> layers;
    expect_as_reference(maker_.graph, {test::random_floats({2, 12, 14, 10}, 5)}, tolerance, op, &layers);
    EXPECT_EQ(layers.size(), follows ? 5u : 7u) << op;  // a reorder at each end
  }
};

TEST_F(ChannelsLast, Pad) { check("Pad", {longs({0, 1, 2, 1, 0, 0, 3, 2})}, {}, 17, true); }
TEST_F(ChannelsLast, PadReflect) {
  check("Pad", {longs({0, 0, 2, 1, 0, 0, 3, 2})}, {{"mode", std::string("reflect")}}, 17, true);
}
TEST_F(ChannelsLast, Tile) { check("Tile", {longs({1, 2, 1, 3})}, {}, 17, true); }
TEST_F(ChannelsLast, DepthToSpace) { check("DepthToSpace", {}, {{"blocksize", std::int64_t{2}}}, 17, true); }
TEST_F(ChannelsLast, SpaceToDepth) { check("SpaceToDepth", {}, {{"blocksize", std::int64_t{2}}}, 17, true); }
TEST_F(ChannelsLast, ResizeNearest) { check("Resize", {Tensor(), scales({1, 1, 2, 2})}, {}, 17, true); }
TEST_F(ChannelsLast, ResizeLinear) {
  check("Resize", {Tensor(), scales({1, 1, 2, 1.5f})}, {{"mode", std::string("linear")}}, 17, true);
}
TEST_F(ChannelsLast, ResizeCubicOfChannels) {
  check("Resize", {Tensor(), scales({1, 2, 0.5f, 1.5f})}, {{"mode", std::string("cubic")}}, 17, true);
}
TEST_F(ChannelsLast, HardSigmoid) { check("HardSigmoid", {}, {}, 17, true); }
TEST_F(ChannelsLast, BatchNormalization) {
  const Tensor features = test::random_floats({12}, 3);
  Tensor ones(DType::f32, {12});
  for (std::int64_t i = 0; i < 12; ++i) ones.data<float>()[i] = 1 + static_cast<float>(i);
  check("BatchNormalization", {features, features, features, ones}, {}, 17, true);
}
TEST_F(ChannelsLast, InstanceNormalizationWantsPlanes) {
  const Tensor features = test::random_floats({12}, 3);
  check("InstanceNormalization", {features, features}, {}, 17, false);
}
TEST_F(ChannelsLast, WhereOfTheWholeAndANumber) {
  const ValueId pool = pooled(x_), zero = maker_.scalar(0);
  const ValueId y = maker_.node("Where", {maker_.node("Less", {pool, maker_.scalar(0.5f)}), pool, zero});
  maker_.graph.outputs = {pooled(y)};
  std::vector<Context::Layer> layers;
  expect_as_reference(maker_.graph, {test::random_floats({2, 12, 14, 10}, 5)}, 0, "Where", &layers);
  EXPECT_EQ(layers.size(), 6u);
}
TEST_F(ChannelsLast, PReluOfChannelsWantsPlanes) { check("PRelu", {test::random_floats({12, 1, 1}, 3)}, {}, 17, false); }

TEST(FastKernels, RefusalsLeaveTheThreads) {
  edgeclip::test::GraphMaker maker;
  const ValueId a = maker.input("a", DType::i64, {301, 257}), b = maker.input("b", DType::i64, {257});
  maker.graph.outputs = {maker.node("Div", {a, b})};
  const Session session(maker.graph, {});
  Context context(session);
  const Tensor x = random(DType::i64, {301, 257}, 1), zeros(DType::i64, {257});
  EXPECT_NE(test::invalid_input_of([&] { context.run({x.view(), zeros.view()}); }).find("division by zero"),
            std::string::npos);
  const Tensor beyond = random(DType::i64, {3, 5}, 1, 200);
  edgeclip::test::GraphMaker gather;
  const ValueId data = gather.input("d", DType::f32, {3, 4}), at = gather.input("i", DType::i64, {3, 5});
  gather.graph.outputs = {gather.node("GatherElements", {data, at}, {{"axis", std::int64_t{1}}})};
  const Session gathering(gather.graph, {});
  Context other(gathering);
  const Tensor floats = test::random_floats({3, 4}, 1);
  EXPECT_NE(test::invalid_input_of([&] { other.run({floats.view(), beyond.view()}); }).find("out of range"),
            std::string::npos);
}

/// Max writes its first input before it reads the second: it may not be written over that.
TEST(FastKernels, MaxOfIntegersDoesNotWriteOverItsSecondInput) {
  edgeclip::test::GraphMaker maker;
  const ValueId x = maker.input("x", DType::i64, {5, 7}), y = maker.input("y", DType::i64, {5, 7});
  const ValueId sum = maker.node("Add", {y, y});
  maker.graph.outputs = {maker.node("Neg", {maker.node("Max", {x, sum})})};
  expect_as_reference(maker.graph, {random(DType::i64, {5, 7}, 1), random(DType::i64, {5, 7}, 2)}, 0, "Max");
}

/// What a rule refuses when shapes are known must not be looked at before.
TEST(FastKernels, AnEmptyAxisIsRefused) {
  edgeclip::test::GraphMaker m;
  const ValueId x = m.input("x", DType::f32, {-1, 8}, {"batch", ""});
  m.graph.outputs = {m.node("CumSum", {x, m.constant<std::int64_t>({0}, {})})};
  const Tensor given(DType::f32, {2, 8});
  EXPECT_NE(edgeclip::test::invalid_input_of([&] {
              const Session session(m.graph, {});
              Context(session).run({given.view()});
            }).find("CumSum"),
            std::string::npos);
}

/// Older exporters leave the region out as an empty list.
TEST(FastKernels, ResizeWithAnEmptyRegion) {
  edgeclip::test::GraphMaker m;
  const ValueId x = m.input("x", DType::f32, {1, 3, 4, 5});
  const auto none = m.constant<float>({0}, {});
  m.graph.outputs = {m.node("Resize", {x, none, m.constant<float>({4}, {1, 1, 2, 2})}),
                     m.node("Resize", {x, none, none, m.constant<std::int64_t>({4}, {1, 3, 7, 9})},
                            {{"mode", std::string("linear")}})};
  std::vector<Context::Layer> layers;
  expect_as_reference(m.graph, {test::random_floats({1, 3, 4, 5}, 2)}, 1e-5, "resize", &layers);
  for (const Context::Layer& layer : layers) EXPECT_NE(layer.kernel, "reference") << layer.op;
}

}  // namespace
}  // namespace edgeclip::engine
