// edgeclip_engine.h as a program sees it: through the shared library.
#include <atomic>
#include <cstring>
#include <thread>

#include "embed/engine_api.h"

namespace edgeclip::test {
namespace {

using engine::test::kSmallEmbedding;
using engine::test::kSmallHeight;
using engine::test::kSmallWidth;
using engine::test::max_difference;

using Dims = std::vector<std::int64_t>;

TEST_F(EngineApi, SaysWhatAGraphIs) {
  EXPECT_EQ(edgeclip_abi_version(), std::uint32_t{EDGECLIP_ABI_VERSION});
  EXPECT_STREQ(edgeclip_version(), "0.1.0");
  EXPECT_EQ(edgeclip_input_count(session_), 1u);
  EXPECT_EQ(edgeclip_output_count(session_), 1u);
  edgeclip_tensor_info info = EDGECLIP_INIT(edgeclip_tensor_info);
  ASSERT_DONE(edgeclip_input_info(session_, 0, &info));
  EXPECT_STREQ(info.name, "pixel_values");
  EXPECT_EQ(info.dtype, EDGECLIP_FLOAT32);
  ASSERT_EQ(info.rank, 4);
  EXPECT_EQ(Dims(info.dims, info.dims + 4), (Dims{-1, 3, kSmallHeight, kSmallWidth}));
  EXPECT_EQ(info.min_dims, nullptr);
  ASSERT_DONE(edgeclip_output_info(session_, 0, &info));
  EXPECT_STREQ(info.name, "image_embeds");
  EXPECT_EQ(edgeclip_dtype_size(EDGECLIP_BFLOAT16), 2u);
  EXPECT_EQ(edgeclip_dtype_size(13), 0u);
  EXPECT_EQ(edgeclip_dtype_size(-1), 0u);
  EXPECT_STREQ(edgeclip_status_name(EDGECLIP_MACHINE_FAULT), "machine fault");
  EXPECT_STREQ(edgeclip_status_name(77), "unknown status");
}

TEST_F(EngineApi, RunsIntoItsOwnMemoryAndIntoTheCallers) {
  make_context();
  for (const std::int64_t batch : {2, 1, 4, 0}) {
    const Tensor in = pixels(batch);
    ASSERT_DONE(bind(context_, in));
    ASSERT_DONE(edgeclip_prepare(context_));
    edgeclip_tensor out = EDGECLIP_INIT(edgeclip_tensor);
    ASSERT_DONE(edgeclip_output(context_, 0, &out));
    EXPECT_EQ(out.data, nullptr);
    EXPECT_EQ(Dims(out.dims, out.dims + out.rank), (Dims{batch, kSmallEmbedding}));
    ASSERT_DONE(edgeclip_run(context_));
    ASSERT_DONE(edgeclip_output(context_, 0, &out));
    ASSERT_EQ(out.bytes, static_cast<std::size_t>(batch) * kSmallEmbedding * 4);
    Tensor mine(DType::f32, {batch, kSmallEmbedding});
    if (batch > 0) std::memcpy(mine.raw(), out.data, out.bytes);
    EXPECT_LE(max_difference(mine, expected(in)), 1e-6);
    Tensor room(DType::f32, {5, kSmallEmbedding});  // larger than needed
    ASSERT_DONE(edgeclip_bind_output(context_, 0, room.raw(), room.bytes()));
    ASSERT_DONE(edgeclip_run(context_));
    ASSERT_DONE(edgeclip_output(context_, 0, &out));
    EXPECT_EQ(out.data, room.raw());
    EXPECT_EQ(std::memcmp(room.raw(), mine.raw(), mine.bytes()), 0);
    ASSERT_DONE(edgeclip_bind_output(context_, 0, nullptr, 0));
  }
}

TEST_F(EngineApi, TakesInt32ForInt64) {
  edgeclip_session* text = nullptr;
  ASSERT_DONE(edgeclip_session_open(world().plan().c_str(), "text", nullptr, &text));
  ASSERT_DONE(edgeclip_context_create(text, &context_));
  Tensor wide(DType::i64, {2, 3}), narrow(DType::i32, {2, 3});
  for (int i = 0; i < 6; ++i) wide.data<std::int64_t>()[i] = narrow.data<std::int32_t>()[i] = i + 4;
  std::vector<std::string> results;
  for (const Tensor* tokens : {&wide, &narrow}) {
    ASSERT_DONE(bind(context_, *tokens));
    ASSERT_DONE(edgeclip_run(context_));
    edgeclip_tensor out = EDGECLIP_INIT(edgeclip_tensor);
    ASSERT_DONE(edgeclip_output(context_, 0, &out));
    results.emplace_back(static_cast<const char*>(out.data), out.bytes);
  }
  EXPECT_EQ(results[0], results[1]);
  wide.data<std::int64_t>()[3] = std::int64_t{1} << 40;  // no row of the table
  ASSERT_DONE(bind(context_, wide));
  refused(edgeclip_run(context_));
  edgeclip_session_close(text);
}

TEST_F(EngineApi, AContextOutlivesItsSession) {
  make_context();
  edgeclip_session_close(session_);
  session_ = nullptr;
  const Tensor in = pixels(1);
  ASSERT_DONE(bind(context_, in));
  ASSERT_DONE(edgeclip_run(context_));
  edgeclip_session_close(nullptr);
  edgeclip_context_destroy(nullptr);
}

TEST_F(EngineApi, ASinglePlanFile) {
  edgeclip_session* file = nullptr;
  const std::string path = world().plan() + "/image.plan";
  ASSERT_DONE(edgeclip_session_open(path.c_str(), nullptr, nullptr, &file));
  EXPECT_EQ(edgeclip_input_count(file), 1u);
  edgeclip_session_close(file);
  EXPECT_SAYS(edgeclip_session_open(path.c_str(), "image", nullptr, &file), "is no plan folder");
  EXPECT_EQ(file, nullptr);
}

TEST_F(EngineApi, StructuresOfOtherVersions) {
  // ABI 1.0 on 64-bit machines: grows at the end only.
  EXPECT_EQ(sizeof(edgeclip_session_options), 40u);
  EXPECT_EQ(sizeof(edgeclip_tensor_info), 48u);
  EXPECT_EQ(sizeof(edgeclip_tensor), 40u);
  EXPECT_EQ(sizeof(edgeclip_layer), 72u);
  edgeclip_session* session = nullptr;
  const auto open = [&](const edgeclip_session_options* options) {
    const edgeclip_status status = edgeclip_session_open(world().plan().c_str(), "image", options, &session);
    edgeclip_session_close(session);
    return status;
  };
  struct Newer {
    edgeclip_session_options known = {};
    std::int64_t added = 0;
  } newer;
  newer.known.struct_size = sizeof newer;
  newer.known.threads = 1;
  EXPECT_EQ(open(&newer.known), EDGECLIP_OK) << "a field that is not used";
  newer.added = 1;
  EXPECT_SAYS(open(&newer.known), "does not know");
  edgeclip_session_options options = {};
  EXPECT_SAYS(open(&options), "options: struct_size is 0");
  options.struct_size = static_cast<std::size_t>(-1);
  EXPECT_SAYS(open(&options), "struct_size");
  options = EDGECLIP_INIT(edgeclip_session_options);
  options.threads = -1;
  EXPECT_SAYS(open(&options), "threads -1");
  options.threads = 1;
  options.memory_pool_mb = -1;
  EXPECT_SAYS(open(&options), "memory_pool_mb: -1");
  struct NewerInfo {
    edgeclip_tensor_info known = {};
    std::int64_t added = 7;
  } info;
  info.known.struct_size = sizeof info;
  ASSERT_DONE(edgeclip_input_info(session_, 0, &info.known));
  EXPECT_EQ(info.known.rank, 4);
  EXPECT_EQ(info.added, 0);
  EXPECT_EQ(info.known.struct_size, sizeof info);
  info.known.struct_size = 8;
  EXPECT_SAYS(edgeclip_input_info(session_, 0, &info.known), "info: struct_size is 8");
}

TEST_F(EngineApi, TellsTimesByLayer) {
  make_context();
  std::size_t layers = 9, runs = 9;
  EXPECT_SAYS(edgeclip_profile(context_, &layers, &runs), "edgeclip_set_profiling");
  ASSERT_DONE(edgeclip_set_profiling(context_, 1));
  ASSERT_DONE(edgeclip_profile(context_, &layers, &runs));
  EXPECT_EQ(layers + runs, 0u);
  const Tensor in = pixels(2);
  ASSERT_DONE(bind(context_, in));
  for (int i = 0; i < 3; ++i) ASSERT_DONE(edgeclip_run(context_));
  ASSERT_DONE(edgeclip_set_profiling(context_, 0));
  ASSERT_DONE(edgeclip_run(context_));  // is not measured
  ASSERT_DONE(edgeclip_profile(context_, &layers, &runs));
  EXPECT_EQ(runs, 3u);
  ASSERT_GT(layers, 0u);
  std::int64_t macs = 0;
  for (std::size_t i = 0; i < layers; ++i) {
    edgeclip_layer layer = EDGECLIP_INIT(edgeclip_layer);
    ASSERT_DONE(edgeclip_profile_layer(context_, i, &layer));
    EXPECT_STRNE(layer.op, "");
    EXPECT_STRNE(layer.kernel, "");
    EXPECT_GE(layer.ms, 0);
    macs += layer.macs;
  }
  EXPECT_EQ(macs, 2 * 3 * kSmallHeight * kSmallWidth * kSmallEmbedding);
  edgeclip_layer layer = EDGECLIP_INIT(edgeclip_layer);
  EXPECT_SAYS(edgeclip_profile_layer(context_, layers, &layer), "layer");
}

TEST_F(EngineApi, OneContextPerThread) {
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

TEST_F(EngineApi, AContextInTwoThreadsIsRefused) {
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

TEST_F(EngineApi, TheLastErrorIsOfItsThread) {
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

TEST_F(EngineApi, MessagesGoToTheCallback) {
  std::vector<std::string> said;
  edgeclip_session_options options = EDGECLIP_INIT(edgeclip_session_options);
  options.log = [](void* user, std::int32_t, const char* text) {
    static_cast<std::vector<std::string>*>(user)->push_back(text);
  };
  options.log_user = &said;
  options.memory_pool_mb = 3;
  edgeclip_session* session = nullptr;
  ASSERT_DONE(edgeclip_session_open(world().plan().c_str(), "image", &options, &session));
  edgeclip_session_close(session);
  ASSERT_FALSE(said.empty());
  EXPECT_NE(said[0].find("a memory pool of 3 MiB"), std::string::npos) << said[0];
}

TEST_F(EngineApi, ShapesThatAPlanWasBuiltFor) {
  builder::BuildOptions options;
  options.model = (world().dir("bundle") / "image.onnx").string();
  options.batches = {};
  options.shape = {"pixel_values=1x3x8x4:2x3x8x4:4x3x8x4"};
  options.out = world().dir("shaped").string();
  builder::build_plan(options);
  edgeclip_session* session = nullptr;
  ASSERT_DONE(edgeclip_session_open(options.out.c_str(), nullptr, nullptr, &session));
  edgeclip_tensor_info info = EDGECLIP_INIT(edgeclip_tensor_info);
  ASSERT_DONE(edgeclip_input_info(session, 0, &info));
  ASSERT_EQ(info.rank, 4);
  EXPECT_EQ(Dims(info.min_dims, info.min_dims + 4), (Dims{1, 3, 8, 4}));
  EXPECT_EQ(Dims(info.max_dims, info.max_dims + 4), (Dims{4, 3, 8, 4}));
  ASSERT_DONE(edgeclip_context_create(session, &context_));
  const Tensor in = pixels(5);
  ASSERT_DONE(bind(context_, in));
  EXPECT_SAYS(edgeclip_run(context_), "input pixel_values: 5x3x8x4 is outside of 1x3x8x4:2x3x8x4:4x3x8x4");
  edgeclip_session_close(session);
}

}  // namespace
}  // namespace edgeclip::test
