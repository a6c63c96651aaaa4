#include "train/heartbeat.h"

#include <gtest/gtest.h>

#include <torch/csrc/distributed/c10d/HashStore.hpp>

namespace edgeclip {
namespace {

constexpr Heartbeat::Times kQuick = {std::chrono::milliseconds(20), 1000000, 5};

TEST(Heartbeat, NamesWhoFellSilentAndWhoSaidWhy) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  Heartbeat first(store, 0, 2, "here", kQuick);
  {
    Heartbeat second(store, 1, 2, "there", kQuick);
    EXPECT_EQ(first.who_is_gone("all live"), "all live");
  }
  EXPECT_EQ(first.who_is_gone("all live"), "rank 1 (there) has not been heard of for some time");
  Heartbeat again(store, 1, 2, "there", kQuick);
  EXPECT_EQ(first.who_is_gone("all live"), "all live");
  again.failing("photo.jpg: is no image");
  EXPECT_EQ(first.who_is_gone("all live"), "rank 1 (there) has ended: photo.jpg: is no image");
}

}  // namespace
}  // namespace edgeclip
