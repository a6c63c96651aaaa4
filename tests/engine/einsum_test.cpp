#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

Attributes equation(const std::string& text) { return {{"equation", text}}; }

std::vector<float> einsum(const std::string& text, const std::vector<Tensor>& inputs) {
  return elements_of<float>(run_node("Einsum", inputs, equation(text))[0]);
}

TEST(Einsum, ProductsDiagonalsAndSums) {
  const auto a = floats({2, 2}, {1, 2, 3, 4}), b = floats({2, 2}, {5, 6, 7, 8});
  EXPECT_EQ(einsum("ij, jk -> ik", {a, b}), (std::vector<float>{19, 22, 43, 50}));
  EXPECT_EQ(einsum("ij,jk", {a, b}), (std::vector<float>{19, 22, 43, 50}));
  EXPECT_EQ(einsum("ba", {a}), (std::vector<float>{1, 3, 2, 4}));  // implicit: in alphabetic order
  EXPECT_EQ(einsum("ii->i", {a}), (std::vector<float>{1, 4}));
  EXPECT_EQ(einsum("ii", {a}), (std::vector<float>{5}));
  EXPECT_EQ(einsum("ij->", {a}), (std::vector<float>{10}));
  EXPECT_EQ(einsum("i,j,k->kji", {floats({1}, {2}), floats({2}, {3, 4}), floats({2}, {5, 6})}),
            (std::vector<float>{30, 40, 36, 48}));
}

TEST(Einsum, EllipsisBroadcasts) {
  const auto a = floats({2, 1, 2}, {1, 2, 3, 4}), b = floats({1, 2, 1}, {10, 100});
  const auto y = run_node("Einsum", {a, b}, equation("...i,...j->...ij"));
  EXPECT_EQ(y[0].shape(), (Shape{2, 2, 2, 1}));
  EXPECT_EQ(elements_of<float>(y[0]), (std::vector<float>{10, 20, 100, 200, 30, 40, 300, 400}));
  EXPECT_EQ(run_node("Einsum", {a}, equation("...i"))[0].shape(), (Shape{2, 1, 2}));
}

TEST(Einsum, Refusals) {
  const auto a = floats({2, 2}, {1, 2, 3, 4});
  for (const char* text : {"ij,jk", "i", "ijk", "i1", "i.", "..i", "......", "ij->ik", "ij->ii", "ij->...i",
                           "...->", "...i->i", "ij->i->j", "i-j", "->"})
    refusal_of([&] { run_node("Einsum", {a}, equation(text)); });
  refusal_of([&] { run_node("Einsum", {floats({2, 3}, std::vector<float>(6))}, equation("ii")); });
  refusal_of([&] { run_node("Einsum", {a, floats({3}, {1, 2, 3})}, equation("ij,j")); });
  refusal_of([&] { run_node("Einsum", {a, a, a}, equation("...i,i...j,ij")); });
}

TEST(Einsum, LoopsAreBounded) {
  const std::int64_t large = std::int64_t{1} << 30;
  unsupported_of([&] {
    infer_shape("Einsum", {{DType::f32, {large}}, {DType::f32, {large}}}, equation("i,j->"));
  });
  unsupported_of([&] { infer_shape("Einsum", {{DType::f32, Shape(70, 1)}}, equation("...->...")); });
}

}  // namespace
}  // namespace edgeclip::engine
