// Weights that oneDNN wants in another layout are copied once.
#include <gtest/gtest.h>

#include "engine/cpu/onednn.h"

namespace edgeclip::engine {
namespace {

TEST(PackedWeights, SharesCopies) {
  const Tensor w(DType::f32, {96, 48});
  const auto plain = dense_desc({96, 48}, dnnl::memory::data_type::f32);
  const dnnl::memory::desc transposed({96, 48}, dnnl::memory::data_type::f32, dnnl::memory::dims{1, 96});
  PackedWeights cache;
  EXPECT_EQ(cache.get(w.raw(), plain, plain).get_data_handle(), w.raw());
  EXPECT_EQ(cache.bytes(), 0u);
  const void* first = cache.get(w.raw(), plain, transposed).get_data_handle();
  EXPECT_NE(first, w.raw());
  EXPECT_EQ(cache.get(w.raw(), plain, transposed).get_data_handle(), first);
  EXPECT_EQ(cache.bytes(), w.bytes());
}

}  // namespace
}  // namespace edgeclip::engine
