#include "train/heartbeat.h"

#include <gtest/gtest.h>

#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include <optional>
#include <thread>

#include "base/error.h"

namespace edgeclip {
namespace {

constexpr Heartbeat::Times kQuick = {std::chrono::milliseconds(20), 1000000, 5};
/// What ends this process where another has failed must not, while the test still looks: it waits a beat and its suspicion.
constexpr Heartbeat::Times kPatient = {std::chrono::milliseconds(400), 1000000, 1};

TEST(Heartbeat, NamesWhoFellSilentAndWhoSaidWhy) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::optional<Heartbeat> first;
  first.emplace(store, 0, 2, "here", kPatient);
  {
    Heartbeat second(store, 1, 2, "there", kQuick);
    EXPECT_EQ(first->who_is_gone("all live"), "all live");
  }
  EXPECT_EQ(first->who_is_gone("all live"), "rank 1 (there) has not been heard of for some time");
  Heartbeat again(store, 1, 2, "there", kQuick);
  EXPECT_EQ(first->who_is_gone("all live"), "all live");
  again.failing("photo.jpg: is no image");
  EXPECT_EQ(first->who_is_gone("all live"), "rank 1 (there) has ended: photo.jpg: is no image");
  first.reset();  // before what it would end for
}

TEST(HeartbeatDeathTest, EndsTheProcessWhereAnotherFailed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const auto store = c10::make_intrusive<c10d::HashStore>();
        Heartbeat first(store, 0, 2, "here", kQuick);
        Heartbeat second(store, 1, 2, "there", {std::chrono::hours(1), 1000000, 1});
        second.failing("photo.jpg: is no image");
        std::this_thread::sleep_for(std::chrono::minutes(1));
      },
      ::testing::ExitedWithCode(kMachineFault), "rank 1 .there. has ended: photo.jpg: is no image; go on with --resume");
}

}  // namespace
}  // namespace edgeclip
