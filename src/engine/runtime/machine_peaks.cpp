#include "engine/runtime/machine_peaks.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>

#include "base/float16.h"
#include "base/measure.h"
#include "base/threads.h"
#include "engine/runtime/session.h"
#include "kernels/thread_pool.h"

namespace edgeclip::engine {

namespace {

constexpr std::int64_t kSide = 1024;
constexpr double kSeconds = 0.1;
constexpr int kFewest = 3;  ///< repetitions, where one takes longer
constexpr std::int64_t kFewestLines = 1 << 14;  ///< that a thread reads at a time: 1 MiB

/// Seconds of the fastest repetition, after one that is not timed.
template <class Body>
double best_seconds(Body body) {
  body();
  double best = std::numeric_limits<double>::infinity();
  const Stopwatch all;
  for (int i = 0; i < kFewest || all.seconds() < kSeconds; ++i) {
    const Stopwatch one;
    body();
    best = std::min(best, one.seconds());
  }
  return std::max(best, 1e-9);
}

Tensor filled(DType dtype, const Shape& shape) {
  Tensor values(DType::f32, shape);
  for (std::int64_t i = 0; i < values.elements(); ++i)
    values.data<float>()[i] = static_cast<float>(i % 17) / 16 - 0.5f;
  if (dtype == DType::f32) return values;
  Tensor result(dtype, shape);
  if (dtype == DType::bf16)
    narrow(values.data<float>(), dtype, result.raw(), values.elements());
  else
    for (std::int64_t i = 0; i < values.elements(); ++i)  // 0 to 16: a byte of either sign
      result.raw()[i] = static_cast<std::byte>(i % 17);
  return result;
}

/// x (kSide, kSide) by constant weights of the same size.
Graph product_graph(const std::string& precision) {
  const bool int8 = precision == "int8";
  Graph graph;
  graph.name = "peak " + precision;
  Value x, y;
  x.name = "x";
  x.dtype = int8 ? DType::u8 : DType::f32;
  x.shape = Shape{kSide, kSide};
  y.name = "y";
  Node node;
  node.name = "product";
  node.op = int8 ? "QuantMatMul" : "FusedMatMul";
  node.domain = "edgeclip";
  node.opset = 1;
  node.attributes["activation"] = std::string();
  graph.inputs = {graph.add_value(std::move(x))};
  const DType weights = int8 ? DType::i8 : precision == "bf16" ? DType::bf16 : DType::f32;
  node.inputs = {graph.inputs[0], graph.add_constant("w", filled(weights, {kSide, kSide}))};
  if (int8) {
    node.attributes["a_scale"] = 0.01f;
    node.attributes["a_zero_point"] = std::int64_t{8};
    node.inputs.push_back(graph.add_constant("w_scale", filled(DType::f32, {kSide})));
  }
  graph.outputs = {graph.add_value(std::move(y))};
  node.outputs = graph.outputs;
  graph.add_node(std::move(node));
  return graph;
}

std::int64_t buffer_bytes() {
  constexpr std::int64_t kLeast = std::int64_t{32} << 20, kMost = std::int64_t{256} << 20;
  return std::clamp<std::int64_t>(4 * ::sysconf(_SC_LEVEL3_CACHE_SIZE), kLeast, kMost);
}

/// A sum over the whole buffer, eight lanes at a time so that loads alone take the time.
std::uint64_t read_all(kernels::Executor& executor, const std::uint64_t* data, std::int64_t lines) {
  std::atomic<std::uint64_t> all = 0;
  kernels::parallel_chunks(executor, lines, kFewestLines, [&](std::int64_t begin, std::int64_t end) {
    std::uint64_t sum = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint64_t* line = data + 8 * i;
      sum += ((line[0] + line[1]) + (line[2] + line[3])) + ((line[4] + line[5]) + (line[6] + line[7]));
    }
    all += sum;
  });
  return all;
}

double measure_gb_s(kernels::Executor& executor, std::int64_t bytes) {
  const std::int64_t lines = bytes / 64;
  const std::unique_ptr<std::uint64_t[]> data(new std::uint64_t[static_cast<std::size_t>(8 * lines)]);
  // Written by all the threads: pages lie near to who touches them first.
  kernels::parallel_chunks(executor, lines, kFewestLines, [&](std::int64_t begin, std::int64_t end) {
    std::fill(data.get() + 8 * begin, data.get() + 8 * end, std::uint64_t{1});
  });
  std::uint64_t sum = 0;
  const double seconds = best_seconds([&] { sum = read_all(executor, data.get(), lines); });
  EDGECLIP_CHECK(sum == static_cast<std::uint64_t>(8 * lines), "{} of {}", sum, 8 * lines);
  return 1e-9 * static_cast<double>(bytes) / seconds;
}

}  // namespace

double MachinePeaks::attainable_seconds(std::int64_t macs, std::int64_t bytes) const {
  return 1e-9 * std::max(static_cast<double>(macs) / gmacs, static_cast<double>(bytes) / gb_s);
}

double measure_gmacs(const std::string& precision, int threads) {
  EDGECLIP_CHECK(precision == "fp32" || precision == "bf16" || precision == "int8", "precision {}",
                 precision);
  SessionOptions options;
  options.threads = threads;
  options.log = silent_log();
  const Session session(product_graph(precision), options);
  Context context(session);
  const Tensor x = filled(session.graph().value(session.graph().inputs[0]).dtype, {kSide, kSide});
  Tensor y(DType::f32, {kSide, kSide});
  const std::vector<TensorView> inputs = {x.view()};
  const std::vector<OutputView> outputs = {{y.dtype(), y.shape(), y.raw()}};
  const double seconds = best_seconds([&] { context.run(inputs, outputs); });
  return 1e-9 * static_cast<double>(kSide * kSide * kSide) / seconds;
}

MachinePeaks measure_peaks(int threads) {
  MachinePeaks peaks;
  peaks.gmacs = measure_gmacs("fp32", threads);
  peaks.buffer_bytes = buffer_bytes();
  const auto pool = kernels::shared_pool(threads > 0 ? threads : thread_count());
  peaks.gb_s = measure_gb_s(*pool, peaks.buffer_bytes);
  return peaks;
}

}  // namespace edgeclip::engine
