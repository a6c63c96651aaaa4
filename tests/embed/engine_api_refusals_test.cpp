// What edgeclip_engine.h refuses: paths, tensors, room and handles.
#include "embed/engine_api.h"

namespace edgeclip::test {
namespace {

using engine::test::kSmallEmbedding;
using engine::test::kSmallHeight;
using engine::test::kSmallWidth;

using Dims = std::vector<std::int64_t>;

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

}  // namespace
}  // namespace edgeclip::test
