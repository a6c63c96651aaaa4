// edgeclip_engine.h as a program sees it: through the shared library.
#include <cstring>
#include <filesystem>

#include "embed/engine_api.h"
#include "engine/plan/plan_file.h"

namespace edgeclip::test {
namespace {

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

TEST_F(EngineApi, RefusesWhatIsNoPlan) {
  edgeclip_session* session = session_;
  const auto open = [&](const std::string& path, const char* graph = nullptr) {
    return edgeclip_session_open(path.c_str(), graph, nullptr, &session);
  };
  EXPECT_SAYS(edgeclip_session_open(nullptr, nullptr, nullptr, &session), "path: is NULL");
  EXPECT_EQ(session, nullptr) << "a failure leaves no handle";
  EXPECT_SAYS(edgeclip_session_open("x", nullptr, nullptr, nullptr), "session: is NULL");
  EXPECT_SAYS(open(""), "plan");
  EXPECT_SAYS(open("/nowhere/plan"), "/nowhere/plan");
  EXPECT_SAYS(open(world().dir("images").string()), "plan.json");
  EXPECT_SAYS(open(world().picture(0)), "0.png: not a plan file");
  EXPECT_SAYS(open(world().plan()), "has several graphs (image, text)");
  EXPECT_SAYS(open(world().plan(), "video"), "has no graph \"video\"");
  EXPECT_SAYS(open(world().plan(), ""), "has no graph \"\"");
  const std::string damaged = world().dir("damaged.plan").string();
  write_text(damaged, "ECPLAN\n\n and nothing behind it");
  EXPECT_SAYS(open(damaged), "damaged.plan");
  EXPECT_EQ(session, nullptr);
}

TEST_F(EngineApi, StructuresOfOtherVersions) {
  // ABI 1 on 64-bit machines: grows at the end only.
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

TEST_F(EngineApi, RefusesWhatCannotBeBound) {
  make_context();
  const Tensor in = pixels(2);
  const auto bind_as = [&](std::size_t index, edgeclip_dtype dtype, const Dims& dims, const void* data,
                           std::size_t bytes) {
    return edgeclip_bind_input(context_, index, dtype, dims.data(), dims.size(), data, bytes);
  };
  const Dims& dims = in.shape();
  EXPECT_SAYS(edgeclip_run(context_), "input pixel_values: nothing is bound to it");
  EXPECT_SAYS(edgeclip_bind_input(nullptr, 0, 0, dims.data(), 4, in.raw(), in.bytes()), "context: is NULL");
  EXPECT_SAYS(edgeclip_bind_input(context_, 0, 0, nullptr, 4, in.raw(), in.bytes()), "dims: is NULL");
  EXPECT_SAYS(bind_as(1, 0, dims, in.raw(), in.bytes()), "input 1: there are 1");
  EXPECT_SAYS(bind_as(0, 99, dims, in.raw(), in.bytes()), "99 is no element type");
  EXPECT_SAYS(bind_as(0, 0, Dims(65, 1), in.raw(), 4), "65 dimensions");
  EXPECT_SAYS(bind_as(0, 0, {2, -3}, in.raw(), 24), "(2, -3) is no shape");
  EXPECT_SAYS(bind_as(0, 0, {1ll << 40, 1ll << 40}, in.raw(), 24), "is no shape");
  EXPECT_SAYS(bind_as(0, 0, {1ll << 61, 2}, in.raw(), 24), "is no shape");
  EXPECT_SAYS(bind_as(0, 0, dims, in.raw(), in.bytes() - 4), "is 768 bytes, given 764");
  EXPECT_SAYS(bind_as(0, 0, dims, nullptr, in.bytes()), "data is NULL");
  EXPECT_SAYS(bind_as(0, 0, {1}, in.raw() + 1, 4), "not aligned to 4 bytes");
  EXPECT_SAYS(edgeclip_run(context_), "nothing is bound to it") << "what is refused is not bound";
  // What fits no graph is found when it is run.
  ASSERT_DONE(bind_as(0, 0, {2, 3, kSmallHeight, kSmallWidth - 1}, in.raw(), 2 * 3 * 8 * 3 * 4));
  EXPECT_SAYS(edgeclip_run(context_), "input pixel_values: expected (batch, 3, 8, 4) float32, given");
  ASSERT_DONE(bind_as(0, EDGECLIP_INT32, dims, in.raw(), in.bytes()));
  EXPECT_SAYS(edgeclip_run(context_), "int32");
  ASSERT_DONE(bind_as(0, EDGECLIP_FLOAT32, {}, in.raw(), 4));
  EXPECT_SAYS(edgeclip_run(context_), "input pixel_values");
  // And the context is as good as before.
  ASSERT_DONE(bind(context_, in));
  ASSERT_DONE(edgeclip_run(context_));
}

TEST_F(EngineApi, RefusesOutputsThatAreNotThere) {
  make_context();
  edgeclip_tensor out = EDGECLIP_INIT(edgeclip_tensor);
  EXPECT_SAYS(edgeclip_output(context_, 0, &out), "there is none yet");
  const Tensor in = pixels(2);
  ASSERT_DONE(bind(context_, in));
  ASSERT_DONE(edgeclip_run(context_));
  EXPECT_SAYS(edgeclip_output(context_, 1, &out), "output 1: there are 1");
  EXPECT_SAYS(edgeclip_output(context_, 0, nullptr), "tensor: is NULL");
  EXPECT_SAYS(edgeclip_output(nullptr, 0, &out), "context: is NULL");
  alignas(64) float room[2 * kSmallEmbedding + 1] = {};
  EXPECT_SAYS(edgeclip_bind_output(context_, 0, nullptr, 4), "4 bytes at NULL");
  EXPECT_SAYS(edgeclip_bind_output(context_, 7, room, 4), "output 7");
  ASSERT_DONE(edgeclip_bind_output(context_, 0, room, sizeof room - 8));
  EXPECT_SAYS(edgeclip_run(context_),
              "output image_embeds: (2, 16) float32 is 128 bytes, room for 124 is bound");
  EXPECT_SAYS(edgeclip_output(context_, 0, &out), "there is none yet");
  ASSERT_DONE(edgeclip_bind_output(context_, 0, reinterpret_cast<char*>(room) + 1, sizeof room - 1));
  EXPECT_SAYS(edgeclip_run(context_), "not aligned");
  EXPECT_EQ(room[0], 0);
  ASSERT_DONE(edgeclip_bind_output(context_, 0, room, sizeof room));
  ASSERT_DONE(edgeclip_run(context_));
  EXPECT_EQ(room[2 * kSmallEmbedding], 0) << "nothing behind the output is written";
}

TEST_F(EngineApi, RefusesNullHandles) {
  edgeclip_tensor_info info = EDGECLIP_INIT(edgeclip_tensor_info);
  edgeclip_layer layer = EDGECLIP_INIT(edgeclip_layer);
  EXPECT_EQ(edgeclip_input_count(nullptr), 0u);
  EXPECT_EQ(edgeclip_output_count(nullptr), 0u);
  EXPECT_SAYS(edgeclip_input_info(nullptr, 0, &info), "session: is NULL");
  EXPECT_SAYS(edgeclip_output_info(session_, 0, nullptr), "info: is NULL");
  EXPECT_SAYS(edgeclip_input_info(session_, 1, &info), "input 1: there are 1");
  EXPECT_SAYS(edgeclip_context_create(nullptr, &context_), "session: is NULL");
  EXPECT_EQ(context_, nullptr);
  EXPECT_SAYS(edgeclip_context_create(session_, nullptr), "context: is NULL");
  EXPECT_SAYS(edgeclip_prepare(nullptr), "context");
  EXPECT_SAYS(edgeclip_run(nullptr), "context");
  EXPECT_SAYS(edgeclip_set_profiling(nullptr, 1), "context");
  EXPECT_SAYS(edgeclip_profile(nullptr, nullptr, nullptr), "context");
  EXPECT_SAYS(edgeclip_profile_layer(nullptr, 0, &layer), "context");
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

TEST_F(EngineApi, PackedWeightsOfAFile) {
  const std::filesystem::path plan = world().dir("packed") / "image.plan";
  std::filesystem::create_directories(plan.parent_path());
  std::filesystem::copy_file(world().plan() + "/image.plan", plan);
  const Tensor in = pixels(3);
  const auto run = [&](std::int32_t packed_cache) {
    edgeclip_session_options options = EDGECLIP_INIT(edgeclip_session_options);
    options.packed_cache = packed_cache;
    edgeclip_session* session = nullptr;
    edgeclip_context* context = nullptr;
    Tensor out(DType::f32, {3, kSmallEmbedding});
    EXPECT_DONE(edgeclip_session_open(plan.c_str(), nullptr, &options, &session));
    EXPECT_DONE(edgeclip_context_create(session, &context));
    EXPECT_DONE(bind(context, in));
    EXPECT_DONE(edgeclip_bind_output(context, 0, out.raw(), out.bytes()));
    EXPECT_DONE(edgeclip_run(context));
    edgeclip_context_destroy(context);
    edgeclip_session_close(session);
    return out;
  };
  const auto files = [&] {
    const std::filesystem::directory_iterator all(plan.parent_path());
    return std::distance(begin(all), end(all));
  };
  const Tensor without = run(0);
  EXPECT_EQ(files(), 1);
  for (int again = 0; again < 2; ++again) {
    const Tensor with = run(1);
    EXPECT_EQ(files(), 2);
    EXPECT_EQ(std::memcmp(with.raw(), without.raw(), with.bytes()), 0);
  }
  edgeclip_session_options options = EDGECLIP_INIT(edgeclip_session_options);
  options.packed_cache = 2;
  edgeclip_session* session = nullptr;
  EXPECT_SAYS(edgeclip_session_open(plan.c_str(), nullptr, &options, &session), "packed_cache 2");
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
