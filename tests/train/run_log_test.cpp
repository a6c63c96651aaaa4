#include "train/run_log.h"

#include "base/file.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(RunLog, NumbersOfALineBecomeScalars) {
  const Json line = {{"step", 4},
                     {"loss", 2.5},
                     {"losses", {{"sdm", 1}}},
                     {"skipped", "a weight"},
                     {"val", {{"loss", nullptr}, {"text_to_image", {{"R@1", 12.5}}}}}};
  EXPECT_EQ(scalars_of(line),
            (std::vector<std::pair<std::string, double>>{
                {"train/loss", 2.5}, {"train/losses/sdm", 1}, {"val/text_to_image/R@1", 12.5}}));
}

TEST(RunLog, BothLogsAreCutWhereTheRunGoesOn) {
  const test::TempDir dir;
  const auto write = [&](std::int64_t keep, std::int64_t from, std::int64_t to) {
    RunLog log(dir / "metrics.jsonl", dir / "tensorboard", keep);
    for (std::int64_t step = from; step <= to; ++step) log.write({{"step", step}, {"loss", 1}});
    log.gradient_norms(to, {{"vision_model", {1, 2}}, {"none", {}}});
  };
  write(-1, 1, 5);
  write(3, 4, 6);
  EXPECT_EQ(
      read_file(dir / "metrics.jsonl"),
      "{\"step\":1,\"loss\":1}\n{\"step\":2,\"loss\":1}\n{\"step\":3,\"loss\":1}\n{\"step\":4,\"loss\":1}\n"
      "{\"step\":5,\"loss\":1}\n{\"step\":6,\"loss\":1}\n");
  std::size_t losses = 0, histograms = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir / "tensorboard")) {
    const std::string bytes = read_file(entry.path());
    for (std::size_t at = 0; (at = bytes.find("train/loss", at)) != std::string::npos; ++at) ++losses;
    for (std::size_t at = 0; (at = bytes.find("grad_norm/vision_model", at)) != std::string::npos; ++at)
      ++histograms;
    EXPECT_EQ(bytes.find("grad_norm/none"), std::string::npos);
  }
  EXPECT_EQ(losses, 6u);
  EXPECT_EQ(histograms, 1u);
}

}  // namespace
}  // namespace edgeclip
