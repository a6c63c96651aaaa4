#include "retrieval/encode_tuner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace edgeclip {
namespace {

/// Images/s of a machine under a setting.
using Rate = std::function<double(const EncodeSetting&)>;

/// Lets a machine work until `images` are done, from `clock` on.
void work(EncodeTuner& tuner, const Rate& rate, double images, double& clock) {
  for (double done = 0; done < images; done += tuner.setting().batch) {
    clock += tuner.setting().batch / rate(tuner.setting());
    tuner.finished(tuner.setting().batch, clock, tuner.generation());
  }
}

TEST(EncodeTuner, FindsTheFastestSetting) {
  const std::vector<std::pair<EncodeSetting, Rate>> machines = {
      {{2, 32}, [](const EncodeSetting& s) { return 10.0 * s.concurrent * (s.batch >= 32 ? 1.2 : 1); }},
      {{2, 8}, [](const EncodeSetting& s) { return 10.0 * s.concurrent * std::min(8.0 / s.batch, s.batch / 8.0); }},
      {{1, 8}, [](const EncodeSetting& s) { return 10.0 / s.concurrent * std::min(8.0 / s.batch, s.batch / 8.0); }},
      {{2, 32}, [](const EncodeSetting&) { return 50.0; }}};  // what is decoded decides: nothing gains
  for (const auto& [best, rate] : machines) {
    EncodeTuner tuner({2, 32, false, false});
    double clock = 0;
    work(tuner, rate, 1500, clock);
    EXPECT_TRUE(tuner.settled());
    EXPECT_EQ(tuner.setting().concurrent, best.concurrent) << best.batch;
    EXPECT_EQ(tuner.setting().batch, best.batch);
    for (const auto& trial : tuner.trials()) EXPECT_NEAR(trial.rate, rate(trial.setting), 1e-6);
  }
}

TEST(EncodeTuner, TriesNothingThatIsFixed) {
  EncodeTuner tuner({3, 8, true, true});
  EXPECT_TRUE(tuner.settled());
  double clock = 0;
  work(tuner, [](const EncodeSetting& s) { return 100.0 / s.batch; }, 1000, clock);
  EXPECT_EQ(tuner.setting(), (EncodeSetting{3, 8}));
  EXPECT_TRUE(tuner.trials().empty());
  EncodeTuner batches({3, 8, true, false});
  work(batches, [](const EncodeSetting& s) { return 100.0 / s.batch; }, 1000, clock);
  EXPECT_EQ(batches.setting(), (EncodeSetting{3, 1}));
}

TEST(EncodeTuner, LooksAgainWhenTheRateHasGoneFar) {
  EncodeTuner tuner({4, 16, false, false});
  double clock = 0;
  const Rate idle = [](const EncodeSetting& s) { return 20.0 * s.concurrent; };
  const Rate busy = [](const EncodeSetting& s) { return 30.0 / s.concurrent; };  // somebody has taken three CPUs
  work(tuner, idle, 4000, clock);
  EXPECT_EQ(tuner.setting().concurrent, 4);
  const std::size_t tried = tuner.trials().size();
  work(tuner, [&](const EncodeSetting& s) { return 0.9 * idle(s); }, 10000, clock);
  EXPECT_EQ(tuner.trials().size(), tried) << "a tenth less is no reason";
  work(tuner, busy, 4000, clock);
  EXPECT_GT(tuner.trials().size(), tried);
  EXPECT_EQ(tuner.setting().concurrent, 1);
}

TEST(EncodeTuner, BatchesOfAnEarlierSettingDoNotCount) {
  EncodeTuner tuner({1, 4, false, false});
  const std::size_t first = tuner.generation();
  double clock = 0;
  work(tuner, [](const EncodeSetting&) { return 10.0; }, 60, clock);
  EXPECT_GT(tuner.generation(), first);
  const auto before = tuner.trials().size();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(tuner.finished(4, clock += 0.001, first));
  EXPECT_EQ(tuner.trials().size(), before);
}

}  // namespace
}  // namespace edgeclip
