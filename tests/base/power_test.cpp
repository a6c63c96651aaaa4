// Watts of boards and load of graphics processors, of trees of files as sysfs has them; and the sampler over all of them.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/gpu_load.h"
#include "base/power_rails.h"
#include "base/process_metrics.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

class Sysfs : public testing::Test {
 protected:
  void put(const std::string& file, const std::string& text) {
    fs::create_directories((dir_ / file).parent_path());
    test::write_text(dir_ / file, text + "\n");
  }
  void rail(const std::string& monitor, int channel, const std::string& label, int millivolts, int milliamperes) {
    const std::string folder = "class/hwmon/" + monitor + "/", number = std::to_string(channel);
    put(folder + "name", "ina3221");
    put(folder + "in" + number + "_label", label);
    put(folder + "in" + number + "_input", std::to_string(millivolts));
    put(folder + "curr" + number + "_input", std::to_string(milliamperes));
  }
  void iio_rail(int channel, const std::string& label, int milliwatts) {
    const std::string folder = "bus/i2c/drivers/ina3221x/6-0040/iio:device0/", number = std::to_string(channel);
    put(folder + "rail_name_" + number, label);
    put(folder + "in_power" + number + "_input", std::to_string(milliwatts));
  }
  test::TempDir dir_;
};

TEST_F(Sysfs, RailsAreAddedUp) {
  rail("hwmon0", 1, "VDD_GPU_SOC", 20000, 100);
  rail("hwmon0", 2, "VDD_CPU_CV", 20000, 50);
  rail("hwmon1", 1, "VIN_SYS_5V0", 5000, 600);
  rail("hwmon1", 2, "NC", 5000, 4000);
  put("class/hwmon/hwmon1/in7_label", "sum of shunt voltages");
  put("class/hwmon/hwmon1/in7_input", "77");
  put("class/hwmon/hwmon2/name", "tmp451");
  put("class/hwmon/hwmon2/in1_label", "OTHER");
  put("class/hwmon/hwmon2/in1_input", "5000");
  put("class/hwmon/hwmon2/curr1_input", "5000");
  PowerRails rails(dir_.path());
  EXPECT_EQ(rails.names(), (std::vector<std::string>{"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"}));
  EXPECT_NEAR(rails.watts().value(), 2 + 1 + 3, 1e-9);
  put("class/hwmon/hwmon0/curr1_input", "200");
  EXPECT_NEAR(rails.watts().value(), 4 + 1 + 3, 1e-9);
}

TEST_F(Sysfs, ARailThatFeedsTheOthersCountsAlone) {
  rail("hwmon3", 1, "VDD_IN", 5000, 2000);
  rail("hwmon3", 2, "VDD_CPU_GPU_CV", 5000, 800);
  rail("hwmon3", 3, "VDD_SOC", 5000, 300);
  PowerRails rails(dir_.path());
  EXPECT_EQ(rails.names(), std::vector<std::string>{"VDD_IN"});
  EXPECT_NEAR(rails.watts().value(), 10, 1e-9);
}

TEST_F(Sysfs, TheOlderDriverGivesMilliwatts) {
  iio_rail(0, "POM_5V_IN", 3500);
  iio_rail(1, "POM_5V_GPU", 400);
  PowerRails rails(dir_.path());
  EXPECT_NEAR(rails.watts().value(), 3.5, 1e-9);
}

TEST_F(Sysfs, RailsThatCannotBeReadAreNoZeros) {
  EXPECT_FALSE(PowerRails(dir_ / "none").watts());
  EXPECT_FALSE(PowerRails(dir_.path()).watts());
  rail("hwmon0", 1, "VDD_GPU_SOC", 20000, 100);
  rail("hwmon0", 2, "VDD_CPU_CV", 20000, 50);
  PowerRails rails(dir_.path());
  EXPECT_TRUE(rails.watts());
  put("class/hwmon/hwmon0/curr2_input", "");
  EXPECT_FALSE(rails.watts());
  put("class/hwmon/hwmon0/curr2_input", "50");
  EXPECT_FALSE(rails.watts()) << "what was lost is lost: an average would be of a part of the time";
  put("class/hwmon/hwmon0/curr2_input", "");
  EXPECT_FALSE(PowerRails(dir_.path()).watts()) << "one of two rails alone is too little";
  put("class/hwmon/hwmon0/in2_enable", "0");
  EXPECT_NEAR(PowerRails(dir_.path()).watts().value(), 2, 1e-9) << "a channel that is switched off is none";
}

TEST_F(Sysfs, LoadOfGraphicsProcessors) {
  EXPECT_FALSE(GpuLoad(dir_.path()).percent());
  put("class/devfreq/17000000.ga10b/device/load", "420");
  put("class/devfreq/15340000.vic/device/load", "900");
  EXPECT_NEAR(GpuLoad(dir_.path()).percent().value(), 42, 1e-9);
  put("class/drm/card0/device/gpu_busy_percent", "10");
  put("class/drm/card0-DP-1/device/gpu_busy_percent", "10");
  GpuLoad load(dir_.path());
  EXPECT_NEAR(load.percent().value(), (42 + 10) / 2.0, 1e-9);
  fs::remove(dir_ / "class/drm/card0/device/gpu_busy_percent");
  EXPECT_FALSE(load.percent());
}

ResourceUsage sampled(const fs::path& sys) {
  ResourceSampler sampler(10, sys);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  return sampler.stop();
}

TEST_F(Sysfs, TheSamplerReportsWhatTheMachineTells) {
  const ResourceUsage nothing = sampled(dir_.path());
  EXPECT_FALSE(nothing.power_w);
  EXPECT_FALSE(nothing.gpu_percent);
  rail("hwmon0", 1, "VDD_IN", 5000, 2000);
  put("class/devfreq/17000000.gv11b/device/load", "250");
  const ResourceUsage told = sampled(dir_.path());
  ASSERT_TRUE(told.power_w && told.gpu_percent);
  EXPECT_NEAR(told.power_w->avg, 10, 1e-9);
  EXPECT_NEAR(told.power_w->peak, 10, 1e-9);
  EXPECT_NEAR(told.gpu_percent->avg, 25, 1e-9);
  EXPECT_GE(told.seconds, 0.06);
}

TEST_F(Sysfs, CountersOfEnergyGoBeforeRails) {
  rail("hwmon0", 1, "VDD_IN", 5000, 2000);
  put("class/powercap/intel-rapl:0/name", "package-0");
  put("class/powercap/intel-rapl:0/max_energy_range_uj", "1000000");
  put("class/powercap/intel-rapl:0/energy_uj", "5");
  ASSERT_TRUE(sampled(dir_.path()).power_w);
  EXPECT_NEAR(sampled(dir_.path()).power_w->avg, 0, 1e-9) << "the counter stands still";
}

TEST(ResourceUsage, OfPartsIsByTheirTime) {
  ResourceUsage one, other;
  one.seconds = 1;
  one.cpu_percent = {100, 120};
  one.power_w = Usage{10, 12};
  one.gpu_percent = Usage{1, 2};
  other.seconds = 3;
  other.cpu_percent = {200, 210};
  other.power_w = Usage{20, 21};
  const ResourceUsage both = combined({one, other});
  EXPECT_NEAR(both.cpu_percent.avg, 175, 1e-9);
  EXPECT_EQ(both.cpu_percent.peak, 210);
  EXPECT_NEAR(both.power_w->avg, 17.5, 1e-9);
  EXPECT_FALSE(both.gpu_percent) << "the second part did not tell";
  EXPECT_EQ(both.seconds, 4);
  EXPECT_FALSE(combined({}).power_w);
}

}  // namespace
}  // namespace edgeclip
