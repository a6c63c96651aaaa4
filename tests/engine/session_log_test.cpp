// What a session says, and to whom.
#include <gtest/gtest.h>

#include "base/log.h"
#include "engine/small_graphs.h"

namespace edgeclip::engine {
namespace {

struct Message {
  LogLevel level;
  std::string text;
};

/// x (batch, n, n): a Sigmoid, which has a fast kernel, and a Det, which has none.
Graph with_determinant() {
  test::GraphWriter g("determinants");
  return g.finish(
      {g.node("Det", {g.node("Sigmoid", {g.input("x", DType::f32, {-1, 3, 3}, {"batch", "", ""})})})});
}

std::vector<Message> said_by(Graph graph, SessionOptions options, const std::vector<Shape>& runs) {
  std::vector<Message> messages;
  options.log = [&](LogLevel level, const std::string& text) { messages.push_back({level, text}); };
  const Session session(std::move(graph), options);
  for (int i = 0; i < 2; ++i) {  // of two contexts
    Context context(session);
    for (const Shape& shape : runs) context.run({test::random_floats(shape, 1).view()});
  }
  return messages;
}

std::vector<std::string> at_level(const std::vector<Message>& messages, LogLevel level) {
  std::vector<std::string> texts;
  for (const Message& message : messages)
    if (message.level == level) texts.push_back(message.text);
  return texts;
}

TEST(SessionLog, NamesReferenceLayersOnce) {
  const auto messages = said_by(with_determinant(), {}, {{0, 3, 3}, {2, 3, 3}, {4, 3, 3}});
  EXPECT_EQ(at_level(messages, LogLevel::kInfo),
            (std::vector<std::string>{
                "model determinants: 1 of 2 layers run by readable single-threaded kernels: Det_1 (Det)"}));
  EXPECT_EQ(at_level(messages, LogLevel::kWarning), std::vector<std::string>());
}

TEST(SessionLog, SaysNothingOfLayersThatAreFastOrEmptyOrMeantToBeSlow) {
  EXPECT_EQ(at_level(said_by(test::transformer_block(48, 4), {}, {{2, 5, 48}}), LogLevel::kInfo),
            std::vector<std::string>());
  EXPECT_EQ(at_level(said_by(with_determinant(), {}, {{0, 3, 3}}), LogLevel::kInfo),
            std::vector<std::string>())
      << "nothing is computed";
  EXPECT_EQ(at_level(said_by(with_determinant(), test::reference_options(), {{2, 3, 3}}), LogLevel::kInfo),
            std::vector<std::string>());
}

TEST(SessionLog, DebugSaysWhatIsHeldAndMadeReady) {
  const auto debug = at_level(said_by(with_determinant(), {}, {{2, 3, 3}, {2, 3, 3}}), LogLevel::kDebug);
  ASSERT_EQ(debug.size(), 3u) << "the session, and the shapes once for each context";
  EXPECT_NE(debug[0].find("2 nodes, 0.0 MiB of weights, a memory pool of 256 MiB"), std::string::npos)
      << debug[0];
  EXPECT_NE(debug[1].find("ready for x (2, 3, 3): "), std::string::npos) << debug[1];
}

TEST(SessionLog, WithoutACallbackItIsTheLogger) {
  init_logging(false);
  testing::internal::CaptureStderr();
  const Session session(with_determinant(), {});
  Context(session).run({test::random_floats({2, 3, 3}, 1).view()});
  const std::string seen = testing::internal::GetCapturedStderr();
  EXPECT_NE(seen.find("Det_1 (Det)"), std::string::npos) << seen;
  EXPECT_EQ(seen.find("ready for"), std::string::npos) << "debug";
  testing::internal::CaptureStderr();
  SessionOptions silent;
  silent.log = silent_log();
  const Session quiet(with_determinant(), silent);
  Context(quiet).run({test::random_floats({2, 3, 3}, 1).view()});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace edgeclip::engine
