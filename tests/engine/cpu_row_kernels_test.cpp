// Nodes that work on rows, elements, indices and places, for AgreesWithReference of cpu_kernels_test.cpp.
#include <gtest/gtest.h>

#include "engine/kernel_case.h"

namespace edgeclip::engine {
namespace {

using test::CpuKernels;
using test::kernel_case_name;
using Case = test::KernelCase;
using Ints = std::vector<std::int64_t>;

INSTANTIATE_TEST_SUITE_P(
    Rows, CpuKernels,
    testing::Values(
        Case{"norm",
             "LayerNormalization",
             "",
             {Shape{3, 50, 64}, Shape{64}, Shape{64}},
             {1, 2},
             {{"axis", std::int64_t{-1}}, {"epsilon", 1e-5f}},
             5e-6,
             "simd:layer_norm"},
        Case{"norm_odd", "LayerNormalization", "", {Shape{1, 7, 33}, Shape{33}, Shape{33}}, {1, 2}, {}, 5e-6, "simd:layer_norm"},
        Case{"norm_no_bias",
             "LayerNormalization",
             "",
             {Shape{8, 48}, Shape{48}},
             {1},
             {{"axis", std::int64_t{1}}},
             5e-6,
             "simd:layer_norm"},
        Case{"norm_wide_axis",
             "LayerNormalization",
             "",
             {Shape{2, 3, 4}, Shape{3, 4}, Shape{3, 4}},
             {1, 2},
             {{"axis", std::int64_t{1}}},
             5e-6,
             "loop:parts"},
        Case{"softmax", "Softmax", "", {Shape{3, 4, 17, 17}}, {}, {{"axis", std::int64_t{-1}}}, 1e-6},
        Case{"softmax_old", "Softmax", "", {Shape{8, 5}}, {}, {}, 1e-6, "onednn:", DType::f32, 11},
        Case{"softmax_first",
             "Softmax",
             "",
             {Shape{8, 5}},
             {},
             {{"axis", std::int64_t{0}}},
             1e-6},
        Case{"softmax_middle", "Softmax", "", {Shape{2, 5, 3}}, {}, {{"axis", std::int64_t{1}}}, 1e-6},
        Case{"softmax_old_wide",
             "Softmax",
             "",
             {Shape{2, 5, 3}},
             {},
             {},
             1e-6,
             "reference",
             DType::f32,
             11},
        Case{"log_softmax", "LogSoftmax", "", {Shape{8, 5}}, {}, {}, 1e-5},
        Case{"masked", "MaskedSoftmax", "edgeclip", {Shape{3, 4, 17, 19}, Shape{3, 1, 17, 19}}, {}, {}, 1e-6},
        Case{"masked_columns", "MaskedSoftmax", "edgeclip", {Shape{3, 4, 70, 80}, Shape{80}}, {1}, {}, 1e-6},
        Case{"masked_rows", "MaskedSoftmax", "edgeclip", {Shape{3, 5, 7}, Shape{5, 1}}, {}, {}, 1e-6},
        Case{"masked_by_none", "MaskedSoftmax", "edgeclip", {Shape{3, 5, 7}}, {}, {{"safe", std::int64_t{1}}}, 1e-6},
        Case{"l2", "L2Normalize", "edgeclip", {Shape{8, 65}}, {}, {}, 1e-7, "loop:"},
        Case{"mean_last", "ReduceMean", "", {Shape{3, 7, 33}}, {}, {{"axes", Ints{-1}}}, 1e-6, "loop:"},
        Case{"mean_pixels", "ReduceMean", "", {Shape{3, 7, 5, 4}}, {}, {{"axes", Ints{3, 2}}}, 1e-6, "loop:"},
        Case{"max_middle", "ReduceMax", "", {Shape{3, 7, 80}}, {}, {{"axes", Ints{1}}}, 0, "loop:"},
        Case{"mean_apart", "ReduceMean", "", {Shape{3, 7, 5}}, {}, {{"axes", Ints{0, 2}}}, 1e-6, "reference"},
        Case{"mean_all", "ReduceMean", "", {Shape{3, 7, 50}}, {}, {}, 1e-6, "loop:"},
        Case{"global", "GlobalAveragePool", "", {Shape{3, 7, 5, 4}}, {}, {}, 1e-6, "loop:"}),
    kernel_case_name);

INSTANTIATE_TEST_SUITE_P(
    Elementwise, CpuKernels,
    testing::Values(Case{"add", "Add", "", {Shape{3, 7, 33}, Shape{3, 7, 33}}, {}, {}, 0},
                    Case{"add_bias", "Add", "", {Shape{3, 7, 33}, Shape{33}}, {1}, {}, 0},
                    Case{"add_bias_left", "Add", "", {Shape{33}, Shape{3, 7, 33}}, {0}, {}, 0},
                    Case{"add_positions", "Add", "", {Shape{3, 7, 33}, Shape{1, 7, 33}}, {1}, {}, 0},
                    Case{"add_mask", "Add", "", {Shape{3, 4, 7, 7}, Shape{3, 1, 1, 7}}, {}, {}, 0},
                    Case{"add_ones_in_front", "Add", "", {Shape{1, 7, 33}, Shape{7, 33}}, {}, {}, 0},
                    Case{"add_outer", "Add", "", {Shape{7, 1}, Shape{1, 9}}, {}, {}, 0, "loop:parts"},
                    Case{"add_scalar", "Add", "", {Shape{3, 5}, Shape{}}, {}, {}, 0},
                    Case{"add_scalars", "Add", "", {Shape{}, Shape{}}, {}, {}, 0},
                    Case{"add_rank_of_other", "Add", "", {Shape{1}, Shape{1, 1, 1}}, {}, {}, 0},
                    Case{"mul_scale", "Mul", "", {Shape{3, 7, 33}, Shape{}}, {1}, {}, 0},
                    Case{"mul_per_row", "Mul", "", {Shape{3, 7, 33}, Shape{3, 7, 1}}, {}, {}, 0},
                    Case{"sub", "Sub", "", {Shape{3, 7, 33}, Shape{7, 1}}, {}, {}, 0},
                    Case{"sub_from_scalar", "Sub", "", {Shape{}, Shape{3, 7}}, {}, {}, 0, "loop:parts"},
                    Case{"div", "Div", "", {Shape{3, 7}, Shape{3, 1}}, {}, {}, 1e-4},
                    Case{"add_nothing", "Add", "", {Shape{0, 7}, Shape{7}}, {}, {}, 0, "reference"},
                    Case{"add_int", "Add", "", {Shape{3, 7}, Shape{7}}, {}, {}, 0, "loop:parts", DType::i64},
                    Case{"relu", "Relu", "", {Shape{3, 7, 33}}, {}, {}, 0},
                    Case{"relu_bytes", "Relu", "", {Shape{3, 7, 33}}, {}, {}, 0, "onednn:", DType::i8},
                    Case{"sigmoid", "Sigmoid", "", {Shape{3, 7, 33}}, {}, {}, 1e-6},
                    Case{"tanh", "Tanh", "", {Shape{333}}, {}, {}, 1e-6},
                    Case{"exp", "Exp", "", {Shape{333}}, {}, {}, 2e-5},
                    Case{"clip", "Clip", "", {Shape{333}}, {}, {{"min", -0.5f}, {"max", 0.25f}}, 0, "onednn:", DType::f32, 10},
                    Case{"leaky", "LeakyRelu", "", {Shape{333}}, {}, {{"alpha", 0.2f}}, 1e-7},
                    Case{"hard_swish", "HardSwish", "", {Shape{333}}, {}, {}, 1e-6},
                    Case{"neg", "Neg", "", {Shape{333}}, {}, {}, 0},
                    Case{"elu", "Elu", "", {Shape{333}}, {}, {{"alpha", 0.7f}}, 1e-6},
                    Case{"max_of_two", "Max", "", {Shape{3, 7}, Shape{7}}, {}, {}, 0},
                    Case{"abs", "Abs", "", {Shape{333}}, {}, {}, 0},
                    Case{"gelu", "Gelu", "edgeclip", {Shape{3, 7, 33}}, {}, {}, 2e-6},
                    Case{"quick_gelu", "QuickGelu", "edgeclip", {Shape{8, 1, 65}}, {}, {}, 2e-6}),
    kernel_case_name);

INSTANTIATE_TEST_SUITE_P(
    Indices, CpuKernels,
    testing::Values(Case{"shuffle", "ChannelShuffle", "edgeclip", {Shape{2, 6, 5, 3}}, {}, {{"group", std::int64_t{3}}}, 0, "loop:"},
                    Case{"shuffle_halves", "ChannelShuffle", "edgeclip", {Shape{2, 3, 5}, Shape{2, 3, 5}}, {}, {{"group", std::int64_t{2}}}, 0, "loop:"},
                    Case{"shuffle_bytes", "ChannelShuffle", "edgeclip", {Shape{2, 1, 5}, Shape{2, 3, 5}}, {}, {{"group", std::int64_t{2}}}, 0, "loop:", DType::u8},
                    Case{"affine_parts", "ChannelAffine", "edgeclip", {Shape{2, 3, 5}, Shape{7}, Shape{7}, Shape{2, 4, 5}}, {1, 2}, {{"activation", std::string("relu")}}, 1e-6, "loop:"},
                    Case{"argmax", "ArgMax", "", {Shape{3, 7, 5}}, {}, {{"axis", std::int64_t{1}}}, 0, "loop:"},
                    Case{"argmax_ids", "ArgMax", "", {Shape{3, 7}}, {}, {{"axis", std::int64_t{-1}}}, 0, "loop:",
                         DType::i32},
                    Case{"argmax_last", "ArgMax", "", {Shape{3, 7}}, {}, {{"select_last_index", std::int64_t{1}}}, 0,
                         "reference"},
                    Case{"to_bool", "Cast", "", {Shape{3, 7}}, {}, {{"to", std::int64_t{9}}}, 0, "loop:", DType::i32},
                    Case{"equal", "Equal", "", {Shape{3, 7}, Shape{3, 7}}, {}, {}, 0, "loop:", DType::i32},
                    Case{"equal_one", "Equal", "", {Shape{3, 7}, Shape{}}, {1}, {}, 0, "loop:", DType::i64},
                    Case{"equal_rows", "Equal", "", {Shape{3, 7}, Shape{7}}, {1}, {}, 0, "loop:parts", DType::i64}),
    kernel_case_name);

INSTANTIATE_TEST_SUITE_P(
    Transpose, CpuKernels,
    testing::Values(
        Case{"heads", "Transpose", "", {Shape{3, 17, 4, 16}}, {}, {{"perm", Ints{0, 2, 1, 3}}}, 0},
        Case{"keys", "Transpose", "", {Shape{8, 17, 4, 16}}, {}, {{"perm", Ints{0, 2, 3, 1}}}, 0},
        Case{"reverse", "Transpose", "", {Shape{5, 3, 7}}, {}, {}, 0},
        Case{"bytes",
             "Transpose",
             "",
             {Shape{5, 33, 7}},
             {},
             {{"perm", Ints{2, 0, 1}}},
             0,
             "onednn:",
             DType::u8},
        Case{"any_bits", "Transpose", "", {Shape{33, 31}}, {}, {}, 0, "onednn:", DType::i32},
        Case{"wide", "Transpose", "", {Shape{5, 3}}, {}, {}, 0, "loop:axis_map", DType::i64},
        Case{"seven_axes", "Transpose", "", {Shape{2, 1, 2, 3, 1, 2, 2}}, {}, {}, 0, "loop:axis_map"}),
    kernel_case_name);

}  // namespace
}  // namespace edgeclip::engine
