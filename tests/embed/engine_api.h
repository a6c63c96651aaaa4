#pragma once

#include "edgeclip_engine.h"
#include "embed/small_world.h"

namespace edgeclip::test {

/// A session of the small world's image graph, for calls of edgeclip_engine.h.
class EngineApi : public EmbedTest {
 protected:
  void SetUp() override {
    ASSERT_DONE(edgeclip_session_open(world().plan().c_str(), "image", nullptr, &session_));
  }
  void TearDown() override {
    edgeclip_context_destroy(context_);
    edgeclip_session_close(session_);
  }
  void make_context() { ASSERT_DONE(edgeclip_context_create(session_, &context_)); }
  static edgeclip_status bind(edgeclip_context* context, const Tensor& t) {
    return edgeclip_bind_input(context, 0, static_cast<edgeclip_dtype>(t.dtype()), t.shape().data(),
                               t.shape().size(), t.raw(), t.bytes());
  }
  static Tensor pixels(std::int64_t batch) {
    return engine::test::random_floats({batch, 3, engine::test::kSmallHeight, engine::test::kSmallWidth}, 9);
  }
  static Tensor expected(const Tensor& pixels) {
    return PlanEncoder(world().plan()).encode_images(pixels.view());
  }

  edgeclip_session* session_ = nullptr;
  edgeclip_context* context_ = nullptr;
};

}  // namespace edgeclip::test
