#include "train/schedule.h"

#include "base/json.h"
#include "base/options.h"
#include "support/support.h"
#include "train/train.h"

namespace edgeclip {
namespace {

ScheduleOptions schedule_of(const Json& json) {
  ScheduleOptions options;
  options_from_json(json, options, "");
  return options;
}

TEST(Schedule, AsTorchAndTransformersHaveIt) {
  const Json golden = read_json(test::golden("schedules") / "rates.json");
  for (const Json& c : golden["cases"]) {
    SCOPED_TRACE(c["source"].get<std::string>());
    ScheduleOptions options = schedule_of(c["options"]);
    options.lr = 2e-3;
    const auto steps = c["steps"].get<std::int64_t>(), rise = c["rise"].get<std::int64_t>();
    const Schedule schedule(options, steps, c["steps_per_epoch"].get<std::int64_t>());
    EXPECT_EQ(schedule.warmup_steps(), rise);
    for (std::int64_t step = 0; step < steps; ++step) {
      const auto theirs = static_cast<std::size_t>(step < rise ? step + 1 : step);
      EXPECT_NEAR(schedule.rate(step), c["lr"][theirs].get<double>(), 1e-12) << "step " << step;
    }
  }
}

TEST(Schedule, RisesThenFalls) {
  const auto rate = [](std::int64_t step, std::int64_t steps, double warmup, double min_ratio) {
    ScheduleOptions options;
    options.lr = 1;
    options.warmup = warmup;
    options.min_lr_ratio = min_ratio;
    return Schedule(options, steps, steps).rate(step);
  };
  EXPECT_DOUBLE_EQ(rate(0, 100, 0.1, 0.1), 0.1);
  EXPECT_DOUBLE_EQ(rate(9, 100, 0.1, 0.1), 1.0);
  EXPECT_DOUBLE_EQ(rate(10, 100, 0.1, 0.1), 1.0);
  EXPECT_NEAR(rate(55, 100, 0.1, 0.1), 0.55, 1e-12);
  EXPECT_NEAR(rate(100, 100, 0.1, 0.1), 0.1, 1e-12);
  EXPECT_NEAR(rate(1000, 100, 0.1, 0.1), 0.1, 1e-12) << "beyond the end";
  EXPECT_DOUBLE_EQ(rate(0, 100, 0, 0), 1.0) << "no warm-up";
  EXPECT_DOUBLE_EQ(rate(4, 5, 1, 0), 1.0) << "nothing but warm-up";
}

TEST(Schedule, AMilestoneWithinTheWarmupCountsThere) {
  const ScheduleOptions options =
      schedule_of({{"lr", 1}, {"schedule", "step"}, {"warmup", 0.5}, {"milestones", {0.25}}, {"gamma", 0.1}});
  const Schedule schedule(options, 8, 8);
  EXPECT_DOUBLE_EQ(schedule.rate(1), 0.5);
  EXPECT_DOUBLE_EQ(schedule.rate(2), 0.075);
  EXPECT_DOUBLE_EQ(schedule.rate(7), 0.1);
}

TEST(Schedule, WhatAScheduleDoesNotUseIsUnknown) {
  const auto refused = [](const Json& optimizer) {
    return test::invalid_input_of([&] {
      TrainOptions options;
      options_from_json({{"optimizer", optimizer}}, options, "c.json: ");
    });
  };
  EXPECT_NE(refused({{"power", 2}}).find("c.json: optimizer.power: unknown key"), std::string::npos);
  EXPECT_NE(refused({{"schedule", "step"}, {"min_lr_ratio", 0}}).find("optimizer.min_lr_ratio"),
            std::string::npos);
  EXPECT_NE(refused({{"schedule", "constant"}, {"gamma", 0.1}}).find("optimizer.gamma"), std::string::npos);
  EXPECT_NE(refused({{"schedule", "linear"}}).find("not one of its values"), std::string::npos);
  TrainOptions options;
  options_from_json(
      {{"optimizer", {{"schedule", "polynomial"}, {"power", 0.9}, {"min_lr_ratio", 0.1}}}}, options, "");
  EXPECT_EQ(options.optimizer.power, 0.9);
}

TEST(Schedule, BadValuesAreNamed) {
  const auto refused = [](const Json& options) {
    return test::invalid_input_of([&] { schedule_of(options); });
  };
  EXPECT_NE(refused({{"lr", 0}}).find("lr: must be positive"), std::string::npos);
  EXPECT_NE(refused({{"schedule", "polynomial"}, {"power", 0}}).find("power"), std::string::npos);
  EXPECT_NE(refused({{"schedule", "step"}, {"gamma", 2}}).find("gamma"), std::string::npos);
  EXPECT_NE(refused({{"schedule", "step"}, {"milestones", Json::array()}}).find("constant"),
            std::string::npos);
  EXPECT_NE(refused({{"schedule", "step"}, {"milestones", {0.5, 20}}}).find("all below 1"),
            std::string::npos);
  EXPECT_NE(refused({{"schedule", "step"}, {"milestones", {0.5, 0.5}}}).find("above the one before"),
            std::string::npos);
}

}  // namespace
}  // namespace edgeclip
