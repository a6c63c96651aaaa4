// Work divided among threads: ranges and slices, what they compute, and who computes it.
#include "engine/cpu/divided_call.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "engine/small_graphs.h"
#include "kernels/thread_pool.h"

namespace edgeclip::engine {
namespace {

using Ints = std::vector<std::int64_t>;
using Attributes = std::map<std::string, Attribute>;

TEST(Divided, RangesCoverAllAndAreOfTwoLengths) {
  for (const std::int64_t n : {1, 2, 7, 49, 224, 3136})
    for (const std::int64_t work : {1, 1 << 15, 1 << 19, 1 << 24})
      for (const int threads : {1, 2, 3, 16})
        for (const std::int64_t unit : {1, 4, 16}) {
          SCOPED_TRACE(fmt::format("n {} work {} threads {} unit {}", n, work, threads, unit));
          std::int64_t at = 0;
          std::set<std::int64_t> lengths;
          const std::vector<Range> ranges = divided(n, work, threads, unit);
          for (const Range& range : ranges) {
            EXPECT_EQ(range.begin, at);
            EXPECT_GT(range.length(), 0);
            at = range.end;
            if (at == n) break;
            EXPECT_EQ(range.length() % unit, 0);
            lengths.insert(range.length());
          }
          EXPECT_EQ(at, n);
          EXPECT_LE(lengths.size(), 2u);
          EXPECT_LE(static_cast<std::int64_t>(ranges.size()), threads * kMostSlicesOfThread);
          if (work > 1 << 18) {
            EXPECT_GE(static_cast<std::int64_t>(ranges.size()),
                      std::min<std::int64_t>(threads, (n + unit - 1) / unit));
          }
        }
  EXPECT_EQ(divided(100, 100, 8).size(), 1u) << "too little to wake a thread for";
}

/// Tasks one after the other, the last ones first, in the calling thread.
class Backwards final : public kernels::Executor {
 public:
  explicit Backwards(int threads) : threads_(threads) {}
  int threads() const override { return threads_; }
  void run(std::int64_t count, kernels::TaskRef body) override {
    most_ = std::max(most_, count);
    for (std::int64_t i = count; i-- > 0;) body(i);
  }
  std::int64_t most() const { return most_; }

 private:
  const int threads_;
  std::int64_t most_ = 0;
};

struct Case {
  const char* name;
  Shape x;
  std::function<ValueId(test::GraphWriter&, ValueId)> node;
  friend void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }
};

Case conv(const char* name, Shape x, Shape w, Attributes attributes) {
  return {name, std::move(x), [=](test::GraphWriter& g, ValueId v) {
            return g.node("Conv", {v, g.weights(w), g.weights({w[0]})}, attributes);
          }};
}

Case single(const char* op, Shape x, Attributes attributes = {}) {
  return {op, std::move(x), [=](test::GraphWriter& g, ValueId v) { return g.node(op, {v}, attributes); }};
}

/// Each large enough to be divided among several threads, of odd sizes.
std::vector<Case> cases() {
  const Ints one(4, 1);
  return {
      conv("same", {1, 16, 29, 31}, {24, 16, 3, 3}, {{"pads", one}}),
      conv("few_images", {3, 16, 19, 17}, {24, 16, 3, 3}, {{"pads", one}}),
      conv("many_images", {9, 8, 13, 11}, {24, 8, 3, 3}, {{"pads", one}}),
      conv("strided", {1, 16, 45, 43}, {24, 16, 3, 3}, {{"pads", Ints{0, 1, 1, 0}}, {"strides", Ints{2, 2}}}),
      conv("dilated", {1, 16, 31, 29}, {24, 16, 3, 3},
           {{"pads", Ints{5, 4, 5, 4}}, {"dilations", Ints{4, 3}}}),
      conv("wide_padding", {1, 16, 21, 17}, {24, 16, 7, 7}, {{"pads", Ints{6, 6, 6, 6}}}),
      conv("first", {1, 3, 61, 63}, {16, 3, 7, 7}, {{"pads", Ints{3, 3, 3, 3}}, {"strides", Ints{2, 2}}}),
      conv("one_channel", {1, 1, 61, 63}, {24, 1, 5, 5}, {}),
      conv("patches", {1, 3, 64, 64}, {96, 3, 8, 8}, {{"strides", Ints{8, 8}}}),
      conv("pointwise", {1, 200, 13, 13}, {136, 200, 1, 1}, {}),
      conv("pointwise_strided", {1, 40, 27, 27}, {72, 40, 1, 1}, {{"strides", Ints{2, 2}}}),
      conv("depthwise", {1, 48, 31, 29}, {48, 1, 3, 3}, {{"pads", one}, {"group", std::int64_t{48}}}),
      conv("groups", {1, 48, 21, 23}, {48, 12, 3, 3}, {{"pads", one}, {"group", std::int64_t{4}}}),
      conv("many_filters", {1, 256, 7, 7}, {256, 256, 3, 3}, {{"pads", one}}),
      conv("few_pixels", {2, 512, 5, 5}, {320, 512, 1, 1}, {{"strides", Ints{2, 2}}}),
      {"many_filters_residual",
       {1, 192, 7, 5},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("FusedConv", {v, g.weights({192, 192, 3, 3}), g.weights({192}), v},
                       {{"pads", Ints(4, 1)}, {"activation", std::string("relu")}}, "edgeclip");
       }},
      conv("line", {1, 16, 501}, {32, 16, 5}, {{"pads", Ints{2, 2}}}),
      conv("volume", {1, 8, 9, 13, 11}, {16, 8, 3, 3, 3}, {{"pads", Ints(6, 1)}}),
      {"residual",
       {1, 16, 29, 31},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("FusedConv", {v, g.weights({16, 16, 3, 3}), g.weights({16}), v},
                       {{"pads", Ints(4, 1)}, {"activation", std::string("relu")}}, "edgeclip");
       }},
      {"transposed",
       {1, 12, 19, 21},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("ConvTranspose", {v, g.weights({12, 16, 3, 3}), g.weights({16})},
                       {{"pads", Ints{1, 1, 0, 1}}, {"strides", Ints{2, 2}}});
       }},
      {"transposed_dense",
       {1, 12, 29, 21},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("ConvTranspose", {v, g.weights({12, 16, 4, 4})}, {{"pads", Ints{1, 1, 1, 1}}});
       }},
      single("MaxPool", {1, 40, 41, 43},
             {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", one}}),
      single("AveragePool", {1, 40, 41, 43},
             {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{1, 2}}, {"pads", one}}),
      single("Sigmoid", {3, 12345}),
      single("Softmax", {321, 211}),
      single("LogSoftmax", {37, 91, 11}, {{"axis", std::int64_t{1}}}),
      single("Transpose", {3, 65, 213}, {{"perm", Ints{2, 0, 1}}}),
      single("ReduceMean", {65, 37, 19}, {{"axes", Ints{1}}}),
      single("Cast", {65, 37, 19}, {{"to", std::int64_t{10}}}),
      {"bias",
       {2, 331, 77},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("Add", {v, g.weights({77})});
       }},
      {"channels",
       {1, 61, 33, 21},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("Mul", {g.weights({61, 1, 1}), v});
       }},
      {"of_one",
       {331, 177},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("Sub", {v, g.weights({1})});
       }},
      {"norm",
       {331, 177},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("LayerNormalization", {v, g.weights({177}), g.weights({177})},
                       {{"axis", std::int64_t{-1}}});
       }},
      {"many_rows",
       {331, 77},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("MatMul", {v, g.weights({77, 131})});
       }},
      {"many_rows_columns",
       {61, 257},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("MatMul", {v, g.weights({257, 131})});
       }},
      {"one_row",
       {1, 777},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("Gemm", {v, g.weights({1001, 777}), g.weights({1001})}, {{"transB", std::int64_t{1}}});
       }},
      {"batched",
       {7, 45, 33},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("MatMul", {v, g.node("Transpose", {v}, {{"perm", Ints{0, 2, 1}}})});
       }},
      {"computed",
       {205, 133},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("MatMul", {g.node("Transpose", {v}), v});
       }},
      {"addend",
       {205, 133},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("Gemm", {v, v, g.weights({133, 1})}, {{"transA", std::int64_t{1}}});
       }},
      {"einsum",
       {5, 41, 6, 32},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("Einsum", {v, v}, {{"equation", std::string("bqhd,bkhd->bhqk")}});
       }},
      {"fused",
       {157, 96},
       [](test::GraphWriter& g, ValueId v) {
         return g.node("FusedMatMul", {v, g.weights({96, 96}), g.weights({96}), v},
                       {{"activation", std::string("gelu")}}, "edgeclip");
       }},
  };
}

class DividedWork : public testing::TestWithParam<Case> {
 protected:
  static Graph graph() {
    test::GraphWriter g(GetParam().name);
    const ValueId x = g.input("x", DType::f32, GetParam().x, {});
    return g.finish({GetParam().node(g, x)});
  }
  static Tensor run(const Tensor& x, const SessionOptions& options) {
    const Session session(graph(), options);
    Context context(session);
    context.run({x.view()});
    return context.run({x.view()}).at(0);  // nothing may be left over from the run before
  }
};

TEST_P(DividedWork, IsTheWholeToARoundingForAnyNumberOfThreads) {
  const Tensor x = test::random_floats(GetParam().x, 7);
  SessionOptions alone;
  alone.threads = 1;
  const Tensor want = run(x, alone);
  if (want.dtype() == DType::f32) {
    EXPECT_LT(test::max_difference(run(x, test::reference_options()), want), 2e-4);
  }
  for (const int threads : {2, 3, 5}) {
    SCOPED_TRACE(threads);
    SessionOptions options;
    const auto backwards = std::make_shared<Backwards>(threads);
    options.executor = backwards;
    const Tensor got = run(x, options);
    EXPECT_GT(backwards->most(), 1) << "nothing was divided";
    if (want.dtype() == DType::f32) {
#if defined(__x86_64__)
      constexpr double kMost = 2e-5;
#else
      constexpr double kMost = 1e-4;  // up to 5 units in the last place were seen of sums of 205 squares
#endif
      EXPECT_LT(test::max_difference(got, want), kMost);
    }
    // Whoever computes what, and in whatever order.
    options.executor.reset();
    options.threads = threads;
    const Tensor again = run(x, options);
    ASSERT_EQ(got.shape(), again.shape());
    EXPECT_EQ(std::memcmp(got.raw(), again.raw(), got.bytes()), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Nodes, DividedWork, testing::ValuesIn(cases()),
                         [](const auto& test) { return std::string(test.param.name); });

/// The threads of this process by name.
std::multiset<std::string> thread_names() {
  std::multiset<std::string> names;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    names.insert(name);
  }
  return names;
}

TEST(DividedThreads, NoneBesideThePoolsOwn) {
  constexpr int kThreads = 3;
  std::thread([] {}).join();  // a sanitizer starts its own with the first
  const std::multiset<std::string> before = thread_names();
  SessionOptions options;
  options.threads = kThreads;
  options.executor = kernels::shared_pool(kThreads);
  for (const Case& one : cases()) {
    test::GraphWriter g(one.name);
    const ValueId x = g.input("x", DType::f32, one.x, {});
    const Session session(g.finish({one.node(g, x)}), options);
    Context(session).run({test::random_floats(one.x, 1).view()});
  }
  std::multiset<std::string> added = thread_names();
  for (const std::string& name : before) added.erase(added.find(name));
  EXPECT_LE(added.size(), std::size_t{kThreads - 1});
  for (const std::string& name : added) EXPECT_EQ(name.rfind("edgeclip-", 0), 0u) << name;
}

}  // namespace
}  // namespace edgeclip::engine
