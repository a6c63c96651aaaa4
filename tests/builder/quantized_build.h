#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "builder/small_model.h"
#include "onnx/graph_builder.h"
#include "onnx/model.h"

/// What tests of plans in int8 and mixed precision share.
namespace edgeclip::builder {

namespace fs = std::filesystem;
namespace ir = onnx_ir;
namespace test = engine::test;

inline double cosine(const Tensor& a, const Tensor& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    const double x = static_cast<double>(a.data<float>()[i]), y = static_cast<double>(b.data<float>()[i]);
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

inline std::vector<std::string> precisions(const Json& part) {
  std::vector<std::string> result;
  for (const Json& layer : part["layers"]) result.push_back(layer["precision"].get<std::string>());
  return result;
}

/// x (batch, 3, 8, 8) ─► Conv ─► Relu ─► Conv ─► Relu ─► MaxPool ─► Conv(+ that) ─► Relu ─► Flatten ─► Gemm
/// loud: a channel of the second convolution is 1000 times the others, and the third reads all but that one,
/// without adding anything: a scale for all channels leaves it hardly anything.
inline void write_network(const fs::path& file, bool loud = false) {
  ir::GraphBuilder g("network");
  const auto x = g.input("x", DType::f32, {-1, 3, 8, 8}, {"batch", "", "", ""});
  std::uint64_t seed = 1;
  const auto conv = [&](const ir::Value& v, std::int64_t in, std::int64_t out, std::int64_t size) {
    Tensor w = test::random_floats({out, in, 3, 3}, seed++, 1 / std::sqrt(9.0 * static_cast<double>(in)));
    for (std::int64_t i = 0; loud && i < w.elements(); ++i) {
      if (seed == 3 && i < in * 9) w.data<float>()[i] *= 1000;
      if (seed == 4 && i / 9 % in == 0) w.data<float>()[i] = 0;
    }
    return g.node(
        "Conv",
        {v, g.initializer(fmt::format("w{}", seed), w),
         g.initializer(fmt::format("b{}", seed), test::random_floats({out}, seed + 50, 0.1))},
        DType::f32, {-1, out, size, size}, {ir::Attr::integers("pads", {1, 1, 1, 1})});
  };
  const auto relu = [&](const ir::Value& v, const Shape& shape) {
    return g.node("Relu", {v}, DType::f32, shape);
  };
  auto y = relu(conv(x, 3, 8, 8), {-1, 8, 8, 8});
  y = relu(conv(y, 8, 16, 8), {-1, 16, 8, 8});
  y = g.node("MaxPool", {y}, DType::f32, {-1, 16, 4, 4},
             {ir::Attr::integers("kernel_shape", {2, 2}), ir::Attr::integers("strides", {2, 2})});
  const auto third = conv(y, 16, 16, 4);
  y = relu(loud ? third : g.add(third, y), {-1, 16, 4, 4});
  y = g.reshape(y, {0, 256});
  const auto head = g.initializer("head", test::random_floats({256, 10}, 90, 0.06));
  g.output(g.matmul(y, head), "y", {"batch", ""});
  ir::write_model(file, g.model());
}

}  // namespace edgeclip::builder
