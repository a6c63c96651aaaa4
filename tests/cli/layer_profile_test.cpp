// Whether measured peaks can be right beside what layers did.
#include "cli/runtime/layer_profile.h"

#include <gtest/gtest.h>

namespace edgeclip {
namespace {

Json profile_of(const Json& layer) {
  Json profile = {
      {"peak_gmacs", 100.0}, {"peak_gmacs_int8", 400.0}, {"peak_gb_s", 10.0}, {"peak_buffer_mb", 32}};
  profile["layers"] = Json::array({layer});
  return profile;
}

Json layer(double ms, std::int64_t macs, std::int64_t bytes, const std::string& precision = "fp32") {
  return {{"ms", ms}, {"macs", macs}, {"bytes", bytes}, {"precision", precision}, {"roofline_share", 0.5}};
}

TEST(LayerProfile, NoLayerMultipliesFasterThanThePeak) {
  EXPECT_FALSE(beats_peaks(profile_of(layer(1, 105000000, 0))));  // within what a measurement may be off
  EXPECT_TRUE(beats_peaks(profile_of(layer(1, 120000000, 0))));
  EXPECT_FALSE(beats_peaks(profile_of(layer(1, 120000000, 0, "int8"))));
  EXPECT_TRUE(beats_peaks(profile_of(layer(1, 450000000, 0, "int8"))));
  EXPECT_FALSE(beats_peaks(profile_of(layer(0, 120000000, 0))));
}

TEST(LayerProfile, ACacheMayBeFasterThanMemory) {
  EXPECT_FALSE(beats_peaks(profile_of(layer(0.1, 0, std::int64_t{8} << 20))));
  EXPECT_TRUE(beats_peaks(profile_of(layer(1, 0, std::int64_t{64} << 20))));
}

TEST(LayerProfile, SharesOfPeaksThatDoNotHoldAreNull) {
  const Json bad = with_peaks_judged(profile_of(layer(1, 120000000, 0)), false);
  EXPECT_FALSE(bad["peaks_hold"].get<bool>());
  EXPECT_TRUE(bad["layers"][0]["roofline_share"].is_null());
  EXPECT_EQ(with_peaks_judged(profile_of(layer(1, 1, 0)), true)["layers"][0]["roofline_share"], 0.5);
}

}  // namespace
}  // namespace edgeclip
