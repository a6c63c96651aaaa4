// edgeclip_engine.h and threads.
#include <atomic>
#include <cstring>
#include <thread>

#include "embed/engine_api.h"

namespace edgeclip::test {
namespace {

using EngineApiThreads = EngineApi;

TEST_F(EngineApiThreads, OneContextPerThread) {
  const Tensor in = pixels(3);
  Tensor wanted(DType::f32, {3, kSmallEmbedding});
  make_context();
  ASSERT_DONE(bind(context_, in));
  ASSERT_DONE(edgeclip_bind_output(context_, 0, wanted.raw(), wanted.bytes()));
  ASSERT_DONE(edgeclip_run(context_));
  std::vector<std::string> wrong(4);
  std::vector<std::thread> threads;
  for (std::string& said : wrong)
    threads.emplace_back([&] {
      edgeclip_context* context = nullptr;
      edgeclip_tensor out = EDGECLIP_INIT(edgeclip_tensor);
      if (edgeclip_context_create(session_, &context) != EDGECLIP_OK) said = edgeclip_last_error();
      for (int i = 0; i < 30 && said.empty(); ++i) {
        if (bind(context, in) != EDGECLIP_OK || edgeclip_run(context) != EDGECLIP_OK ||
            edgeclip_output(context, 0, &out) != EDGECLIP_OK)
          said = edgeclip_last_error();
        else if (std::memcmp(out.data, wanted.raw(), out.bytes) != 0)
          said = "another result";
      }
      edgeclip_context_destroy(context);
    });
  for (auto& thread : threads) thread.join();
  for (const std::string& said : wrong) EXPECT_EQ(said, "");
}

TEST_F(EngineApiThreads, AContextInTwoThreadsIsRefused) {
  make_context();
  const Tensor in = pixels(4);
  ASSERT_DONE(bind(context_, in));
  std::atomic<bool> go{false};
  std::atomic<int> other{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      while (!go) std::this_thread::yield();
      for (int i = 0; i < 100; ++i) {
        const edgeclip_status status = edgeclip_run(context_);
        if (status != EDGECLIP_OK &&
            (status != EDGECLIP_INVALID_INPUT ||
             std::string(edgeclip_last_error()).find("is in another call") == std::string::npos))
          ++other;
      }
    });
  go = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(other, 0);
  ASSERT_DONE(edgeclip_run(context_));
}

TEST_F(EngineApiThreads, TheLastErrorIsOfItsThread) {
  refused(edgeclip_run(nullptr));
  std::string there = "not asked";
  std::thread([&] { there = edgeclip_last_error(); }).join();
  EXPECT_EQ(there, "");
  EXPECT_STREQ(edgeclip_last_error(), "context: is NULL");
  // Longer than any buffer, and of several lines.
  std::string path(10000, 'x');
  path[5] = '\n';
  edgeclip_session* session = nullptr;
  refused(edgeclip_session_open(path.c_str(), nullptr, nullptr, &session));
}

}  // namespace
}  // namespace edgeclip::test
