// Percentiles, energy, and the report of both.
#include "base/measure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

QuantileSketch sketch_of(const std::vector<double>& values) {
  QuantileSketch sketch;
  for (const double value : values) sketch.add(value);
  return sketch;
}

TEST(QuantileSketch, OfFewValuesIsExactBetweenNeighbours) {
  EXPECT_EQ(sketch_of({}).quantile(0.5), 0);
  EXPECT_EQ(sketch_of({3}).quantile(0.99), 3);
  EXPECT_DOUBLE_EQ(sketch_of({4, 1, 3, 2}).quantile(0.5), 2.5);
  EXPECT_DOUBLE_EQ(sketch_of({0, 10}).quantile(0.9), 9);
  EXPECT_DOUBLE_EQ(sketch_of({0, 10}).quantile(1.0), 10);
  EXPECT_DOUBLE_EQ(sketch_of({0, 10}).quantile(7), 10);
}

TEST(QuantileSketch, OfManyValuesIsWithinItsError) {
  for (const double spread : {0.1, 1.0, 3.0}) {
    Rng rng(static_cast<std::uint64_t>(10 * spread));
    std::vector<double> values;
    for (int i = 0; i < 50000; ++i) values.push_back(std::exp(spread * rng.normal()));
    const QuantileSketch sketch = sketch_of(values);
    std::sort(values.begin(), values.end());
    for (const double share : {0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const double exact = values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
      EXPECT_NEAR(sketch.quantile(share), exact, 1.0001 * QuantileSketch::kRelativeError * exact) << share;
    }
    EXPECT_EQ(sketch.count(), 50000);
    EXPECT_EQ(sketch.least(), values.front());
    EXPECT_EQ(sketch.greatest(), values.back());
    double sum = 0;
    for (const double value : values) sum += value;
    EXPECT_NEAR(sketch.sum(), sum, 1e-9 * sum);
  }
}

TEST(QuantileSketch, GoesOverFromListToBucketsWithoutAJump) {
  QuantileSketch sketch;
  for (std::size_t i = 0; i < QuantileSketch::kExact; ++i) sketch.add(static_cast<double>(i + 1));
  const double before = sketch.quantile(0.5);
  sketch.add(static_cast<double>(QuantileSketch::kExact + 1));
  EXPECT_NEAR(sketch.quantile(0.5), before, 0.02 * before);
}

TEST(QuantileSketch, CountsRepetitionsZerosAndWhatIsOutOfRange) {
  QuantileSketch sketch;
  sketch.add(5, 3000);
  sketch.add(0, 3000);
  sketch.add(-1);
  sketch.add(7, 0);
  EXPECT_EQ(sketch.count(), 6001);
  EXPECT_EQ(sketch.quantile(0.25), 0);
  EXPECT_NEAR(sketch.quantile(0.75), 5, 0.05);
  EXPECT_EQ(sketch.greatest(), 5);
  sketch.add(1e300, 7000);
  EXPECT_EQ(sketch.greatest(), 1e300);
  EXPECT_GE(sketch.quantile(1), 1e9 * 0.99);
}

TEST(QuantileSketch, StartsAnewWithItsMemory) {
  QuantileSketch reserved, plain;
  reserved.reserve();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(reserved.count(), 0);
    EXPECT_EQ(reserved.quantile(0.5), 0);
    plain.clear();
    for (int i = 1; i <= 3000; ++i) {
      reserved.add(i);
      plain.add(i);
      if (i == 7 || i == 1024 || i == 1025 || i == 3000) {
        EXPECT_EQ(reserved.quantile(0.3), plain.quantile(0.3)) << i;
        EXPECT_EQ(reserved.greatest(), i);
        EXPECT_EQ(reserved.sum(), plain.sum());
      }
    }
    reserved.clear();
  }
}

class EnergyZones : public testing::Test {
 protected:
  void zone(const std::string& name, const std::string& label, std::int64_t energy) {
    fs::create_directories(dir_ / name);
    test::write_text(dir_ / name / "name", label + "\n");
    test::write_text(dir_ / name / "max_energy_range_uj", "10000000\n");
    counter(name, energy);
  }
  void counter(const std::string& name, std::int64_t energy) {
    test::write_text(dir_ / name / "energy_uj", std::to_string(energy) + "\n");
  }
  test::TempDir dir_;
};

TEST_F(EnergyZones, AddsUpPackagesAndNothingTwice) {
  zone("intel-rapl:0", "package-0", 1000000);
  zone("intel-rapl:1", "package-1", 9000000);
  zone("intel-rapl:0:0", "core", 1000000);
  zone("intel-rapl:2", "psys", 1000000);
  zone("intel-rapl-mmio:0", "package-0", 1000000);
  EnergyMeter meter(dir_.path());
  EXPECT_EQ(meter.joules(), 0.0);
  for (const char* name : {"intel-rapl:0:0", "intel-rapl:2", "intel-rapl-mmio:0"}) counter(name, 5000000);
  counter("intel-rapl:0", 3000000);
  counter("intel-rapl:1", 500000);  // started again at 10 J
  EXPECT_NEAR(meter.joules().value(), 2 + 1.5, 1e-9);
  counter("intel-rapl:0", 3500000);
  EXPECT_NEAR(meter.joules().value(), 4, 1e-9);
}

TEST_F(EnergyZones, ThatCannotBeReadAreNoZeros) {
  EXPECT_FALSE(EnergyMeter(dir_ / "none").joules());
  EXPECT_FALSE(EnergyMeter(dir_.path()).joules());
  zone("intel-rapl:0", "package-0", 1000000);
  fs::create_directories(dir_ / "intel-rapl:1");
  test::write_text(dir_ / "intel-rapl:1/name", "package-1\n");
  EXPECT_FALSE(EnergyMeter(dir_.path()).joules()) << "one of two packages alone is too little";
  fs::remove_all(dir_ / "intel-rapl:1");
  EnergyMeter meter(dir_.path());
  EXPECT_TRUE(meter.joules());
  fs::remove(dir_ / "intel-rapl:0/energy_uj");
  EXPECT_FALSE(meter.joules());
}

TEST(Measure, ReportsWhatIsKnown) {
  const Json latency = latency_json(sketch_of({1, 2, 3}));
  EXPECT_EQ(latency.size(), 4u);
  EXPECT_EQ(latency["median"], 2.0);
  EXPECT_NEAR(latency["p10"].get<double>(), 1.2, 1e-9);
  EXPECT_NEAR(latency["p90"].get<double>(), 2.8, 1e-9);
  EXPECT_NEAR(latency["p99"].get<double>(), 2.98, 1e-9);
  ResourceUsage usage;
  usage.cpu_percent = {50, 150};
  const Json unknown = usage_json(usage);
  EXPECT_EQ(unknown["cpu_percent"], (Json{{"avg", 50.0}, {"peak", 150.0}}));
  EXPECT_TRUE(unknown["power_w"].is_null());
  EXPECT_TRUE(unknown["gpu_percent"].is_null());
  usage.gpu_percent = Usage{5, 60};
  EXPECT_EQ(usage_json(usage)["gpu_percent"], (Json{{"avg", 5.0}, {"peak", 60.0}}));
  usage.power_w = Usage{20, 30};
  EXPECT_EQ(usage_json(usage)["power_w"], (Json{{"avg", 20.0}, {"peak", 30.0}}));
}

}  // namespace
}  // namespace edgeclip
