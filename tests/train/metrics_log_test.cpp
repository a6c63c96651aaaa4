#include "train/metrics_log.h"

#include "base/file.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(MetricsLog, WritesOneObjectPerLineAtOnce) {
  const test::TempDir folder;
  MetricsLog log(folder / "metrics.jsonl", -1);
  log.write({{"step", 1}, {"loss", 0.5}});
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), "{\"step\":1,\"loss\":0.5}\n");
  log.write({{"step", 2}});
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), "{\"step\":1,\"loss\":0.5}\n{\"step\":2}\n");
}

TEST(MetricsLog, DropsWhatWillBeDoneAgain) {
  const test::TempDir folder;
  test::write_text(folder / "metrics.jsonl", "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"step\":4,\"lo");
  MetricsLog(folder / "metrics.jsonl", 2).write({{"step", 3}});
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
  MetricsLog(folder / "metrics.jsonl", -1).write({{"step", 1}});
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), "{\"step\":1}\n");
}

TEST(MetricsLog, UnwritablePlaceIsTheUsersFault) {
  const test::TempDir folder;
  test::write_text(folder / "file", "x");
  EXPECT_NE(test::invalid_input_of([&] { MetricsLog(folder / "file" / "metrics.jsonl", -1); }), "");
}

}  // namespace
}  // namespace edgeclip
