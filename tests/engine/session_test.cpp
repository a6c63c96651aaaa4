// Sessions and contexts: a transformer block by oneDNN against the reference, memory, shapes, refusals.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <thread>

#include "base/rng.h"
#include "engine/ops/interpreter.h"
#include "engine/runtime/session.h"
#include "small_graphs.h"
#include "support/support.h"

namespace edgeclip::engine {
namespace {

constexpr int kWidth = 48, kHeads = 4;

Tensor tokens(std::int64_t batch, std::int64_t length, std::uint64_t seed) {
  return test::random_floats({batch, length, kWidth}, seed);
}

TEST(Session, TransformerBlockAgreesWithReference) {
  const Graph graph = test::transformer_block(kWidth, kHeads);
  const Session session(graph, {}), oracle(graph, test::reference_options());
  Context context(session), reference(oracle);
  for (const auto& [batch, length] : {std::pair{1, 17}, {3, 5}, {8, 20}, {1, 1}, {3, 5}}) {
    const Tensor x = tokens(batch, length, 5);
    const Tensor fast = context.run({x.view()}).at(0), slow = reference.run({x.view()}).at(0);
    EXPECT_LE(test::max_difference(fast, slow), 1e-5) << batch << " x " << length;
    // The session's planning against an interpreter that gives every value a buffer of its own.
    const Tensor plain = run_reference(graph, {x.view()}).at(0);
    EXPECT_EQ(test::max_difference(slow, plain), 0) << batch << " x " << length;
  }
}

TEST(Session, EmptyBatch) {
  const Session session(test::transformer_block(kWidth, kHeads), {});
  Context context(session);
  const Tensor x(DType::f32, {0, 5, kWidth});
  EXPECT_EQ(context.run({x.view()}).at(0).shape(), (Shape{0, 5, kWidth}));
}

TEST(Session, ResultsDoNotDependOnWhatRanBefore) {
  const Session session(test::transformer_block(kWidth, kHeads), {});
  Context context(session);
  const Tensor a = tokens(3, 5, 1), b = tokens(8, 20, 2);
  const Tensor first = context.run({a.view()}).at(0);
  context.run({b.view()});  // the arena grows and moves
  EXPECT_EQ(test::max_difference(context.run({a.view()}).at(0), first), 0);
}

TEST(Session, MoreShapesThanAreKept) {
  const Session session(test::transformer_block(kWidth, kHeads), {});
  Context context(session);
  const Tensor a = tokens(1, 3, 1);
  const Tensor first = context.run({a.view()}).at(0);
  for (int length = 4; length < 30; ++length) context.run({tokens(1, length, 1).view()});
  EXPECT_EQ(test::max_difference(context.run({a.view()}).at(0), first), 0);
}

TEST(Session, ContextsShareASessionAcrossThreads) {
  const Session session(test::transformer_block(kWidth, kHeads), {});
  const Tensor a = tokens(3, 5, 1);
  const Tensor expected = Context(session).run({a.view()}).at(0);
  std::vector<double> worst(4, NAN);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < worst.size(); ++t)
    threads.emplace_back([&, t] {
      Context context(session);
      worst[t] = 0;
      for (int i = 0; i < 20; ++i)
        worst[t] = std::max(worst[t], test::max_difference(context.run({a.view()}).at(0), expected));
    });
  for (auto& thread : threads) thread.join();
  for (const double w : worst) EXPECT_LE(w, 1e-6);
}

TEST(Session, ArenaIsReusedByLiveness) {
  const Session session(test::transformer_block(kWidth, kHeads), {});
  Context context(session);
  std::int64_t all = 0, nodes = 0;
  context.set_observer([&](const NodeRun& run) {
    for (const auto& output : run.outputs) all += static_cast<std::int64_t>(output.view().bytes());
    EXPECT_GE(run.seconds, 0);
    EXPECT_NE(run.kernel, "");
    ++nodes;
  });
  context.run({tokens(8, 20, 1).view()});
  EXPECT_GT(nodes, 10);
  EXPECT_LT(context.arena_bytes({{8, 20, kWidth}}).activations, all / 2);
  EXPECT_GT(context.arena_bytes({{16, 20, kWidth}}).activations, context.arena_bytes({{8, 20, kWidth}}).activations);
}

TEST(Session, ViewsRunNoKernel) {
  test::GraphWriter g("views");
  const ValueId x = g.input("x", DType::f32, {-1, 6}, {"batch", ""});
  ValueId y = g.node("Reshape", {x, g.ints({-1, 2, 3})});
  y = g.node("Identity", {y});
  y = g.node("Unsqueeze", {y, g.ints({0})});
  y = g.node("Squeeze", {y, g.ints({0})});
  y = g.node("Relu", {g.node("Flatten", {y})});
  y = g.node("Reshape", {y, g.ints({-1, 3})});
  const Session session(g.finish({y}), {});
  Context context(session);
  std::vector<std::string> ran;
  context.set_observer([&](const NodeRun& run) { ran.push_back(run.node.op); });
  const Tensor in = Tensor::from<float>({2, 6}, {-1, 1, 2, 3, 4, 5, 6, 7, -8, 9, 10, 11});
  const Tensor out = context.run({in.view()}).at(0);
  EXPECT_EQ(ran, std::vector<std::string>{"Relu"});
  EXPECT_EQ(out.shape(), (Shape{4, 3}));
  EXPECT_EQ(test::max_difference(out, Tensor::from<float>({4, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11})),
            0);
}

TEST(Session, AViewKeepsItsSourceAlive) {
  // r is read through its view long after its last direct reader; nothing may be placed over it.
  test::GraphWriter g("late view");
  const ValueId x = g.input("x", DType::f32, {-1, 64}, {"batch", ""});
  const ValueId r = g.node("Relu", {x});
  const ValueId view = g.node("Reshape", {r, g.ints({-1, 8, 8})});
  ValueId chain = g.node("Sigmoid", {r});
  for (int i = 0; i < 4; ++i) chain = g.node("Tanh", {chain});
  chain = g.node("Reshape", {chain, g.ints({-1, 8, 8})});
  const Graph graph = g.finish({g.node("Add", {chain, view})});
  const Tensor in = test::random_floats({3, 64}, 3);
  const Session session(graph, test::reference_options());
  EXPECT_EQ(
      test::max_difference(Context(session).run({in.view()}).at(0), run_reference(graph, {in.view()}).at(0)),
      0);
}

TEST(Session, OutputsThatNothingComputes) {
  test::GraphWriter g("pass through");
  const ValueId x = g.input("x", DType::f32, {-1, 2}, {"batch", ""});
  const ValueId constant = g.constant(Tensor::from<float>({2}, {5, 6}));
  const ValueId shape = g.node("Shape", {x});
  const Session session(g.finish({x, constant, shape, g.node("Reshape", {x, g.ints({2, -1})})}), {});
  const Tensor in = Tensor::from<float>({1, 2}, {1, 2});
  const std::vector<Tensor> out = Context(session).run({in.view()});
  EXPECT_EQ(test::max_difference(out[0], in), 0);
  EXPECT_EQ(out[1].data<float>()[1], 6);
  EXPECT_EQ(out[2].data<std::int64_t>()[1], 2);
  EXPECT_EQ(out[3].shape(), (Shape{2, 1}));
}

Graph token_lookup() {
  test::GraphWriter g("lookup");
  const ValueId ids = g.input("input_ids", DType::i64, {-1, -1}, {"batch", "tokens"});
  const ValueId table = g.constant(test::random_floats({10, 4}, 1));
  return g.finish({g.node("Gather", {table, ids}, {{"axis", std::int64_t{0}}})});
}

TEST(Session, WidensTokenIds) {
  const Session session(token_lookup(), {});
  Context context(session);
  const Tensor narrow = Tensor::from<std::int32_t>({2, 3}, {1, 2, 3, 9, 0, 4}),
               wide = Tensor::from<std::int64_t>({2, 3}, {1, 2, 3, 9, 0, 4});
  const Tensor a = context.run({narrow.view()}).at(0), b = context.run({wide.view()}).at(0);
  EXPECT_EQ(a.shape(), (Shape{2, 3, 4}));
  EXPECT_EQ(test::max_difference(a, b), 0);
}

TEST(Session, SaysWhatIsWrongWithInputs) {
  const Session session(token_lookup(), {});
  Context context(session);
  const Tensor rank(DType::i64, {3}), type(DType::f32, {2, 3}),
      outside = Tensor::from<std::int64_t>({1, 1}, {10});
  EXPECT_EQ(test::invalid_input_of([&] { context.run({rank.view()}); }),
            "input input_ids: expected (batch, tokens) int64, given shape (3,)");
  EXPECT_EQ(test::invalid_input_of([&] { context.run({type.view()}); }),
            "input input_ids: expected (batch, tokens) int64, given (2, 3) float32");
  EXPECT_EQ(test::invalid_input_of([&] { context.run({}); }), "model lookup: 1 inputs are needed, 0 given");
  EXPECT_NE(test::invalid_input_of([&] { context.run({outside.view()}); }), "");
}

TEST(Session, SymbolsMustAgree) {
  test::GraphWriter g("pair");
  const ValueId a = g.input("a", DType::f32, {-1, 2}, {"batch", ""}),
                b = g.input("b", DType::f32, {-1, 2}, {"batch", ""});
  const Session session(g.finish({g.node("Add", {a, b})}), {});
  const Tensor one(DType::f32, {1, 2}), two(DType::f32, {2, 2});
  EXPECT_EQ(test::invalid_input_of([&] {
              Context(session).run({one.view(), two.view()});
            }),
            "input b: its batch is 2, that of input a is 1");
}

TEST(Session, MemoryPoolSaysHowMuchIsNeeded) {
  SessionOptions options;
  options.memory_pool_mb = 1;
  const Session session(test::transformer_block(kWidth, kHeads), options);
  Context context(session);
  EXPECT_GT(context.arena_bytes({{1, 20, kWidth}}).activations, 0);
  const std::string message = test::invalid_input_of([&] { context.arena_bytes({{64, 100, kWidth}}); });
  EXPECT_NE(message.find("x (64, 100, 48) needs "), std::string::npos) << message;
  EXPECT_NE(message.find("--memory-pool-mb"), std::string::npos) << message;
  const std::int64_t needed = std::stoll(message.substr(message.rfind("-mb ") + 4));
  options.memory_pool_mb = needed;
  const Session enough(test::transformer_block(kWidth, kHeads), options);
  Context roomy(enough);
  const auto bytes = roomy.arena_bytes({{64, 100, kWidth}});
  EXPECT_LE(bytes.activations + bytes.scratch, needed << 20);
}

TEST(Session, UnknownOperatorIsNamed) {
  test::GraphWriter g("odd");
  const ValueId x = g.input("x", DType::f32, {2}, {});
  const Graph graph = g.finish({g.node("Frobnicate", {x})});
  const std::string message = test::invalid_input_of([&] { Session(graph, {}); });
  EXPECT_NE(message.find("Frobnicate"), std::string::npos) << message;
}

}  // namespace
}  // namespace edgeclip::engine
