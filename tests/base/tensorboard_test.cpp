#include "base/tensorboard.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/file.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

/// A reader of its own: checks each frame bit by bit and takes the messages apart.
struct Point {
  std::int64_t step = 0;
  std::string tag, version;
  double value = 0, wall_time = 0;
  bool session_start = false;
  std::vector<double> histogram, limits, counts;  ///< min, max, num, sum, sum of squares
};

std::uint64_t number(const std::string& bytes, std::size_t at, std::size_t size) {
  std::uint64_t n = 0;
  for (std::size_t i = 0; i < size; ++i)
    n |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes.at(at + i))) << (8 * i);
  return n;
}

std::uint32_t slow_crc32c(const std::string& bytes) {  // by polynomial division
  std::uint32_t crc = ~0u;
  for (const char c : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const bool one = ((crc ^ (static_cast<unsigned char>(c) >> bit)) & 1) != 0;
      crc = (crc >> 1) ^ (one ? 0x82F63B78u : 0u);
    }
  return ~crc;
}

bool crc_holds(const std::string& bytes, std::uint64_t masked) {
  const auto crc = static_cast<std::uint32_t>(masked - 0xA282EAD8u);
  return slow_crc32c(bytes) == static_cast<std::uint32_t>(crc << 15 | crc >> 17);
}

struct Fields {
  const std::string& bytes;
  std::size_t at = 0;
  std::uint64_t key = 0, plain = 0;
  std::string content;
  std::uint64_t varint() {
    std::uint64_t n = 0;
    for (int shift = 0;; shift += 7) {
      const auto b = static_cast<unsigned char>(bytes.at(at++));
      n |= static_cast<std::uint64_t>(b & 127) << shift;
      if (b < 128) return n;
    }
  }
  bool next() {
    if (at == bytes.size()) return false;
    key = varint();
    const std::size_t wire = key & 7;
    if (wire == 0) {
      plain = varint();
      return true;
    }
    const std::size_t size = wire == 1 ? 8 : wire == 5 ? 4 : varint();
    content = bytes.substr(at, size);
    EXPECT_EQ(content.size(), size);
    at += size;
    return true;
  }
  std::uint64_t field() const { return key >> 3; }
  double fixed() const {
    if (content.size() == 4) {
      const auto bits = static_cast<std::uint32_t>(number(content, 0, 4));
      float f;
      std::memcpy(&f, &bits, 4);
      return f;
    }
    return double_at(0);
  }
  double double_at(std::size_t i) const {
    const std::uint64_t bits = number(content, 8 * i, 8);
    double d;
    std::memcpy(&d, &bits, 8);
    return d;
  }
  std::vector<double> packed() const {
    std::vector<double> values;
    for (std::size_t i = 0; 8 * i < content.size(); ++i) values.push_back(double_at(i));
    return values;
  }
};

void read_value(const std::string& bytes, Point point, std::vector<Point>& points) {
  for (Fields f{bytes}; f.next();) {
    if (f.field() == 1) point.tag = f.content;
    if (f.field() == 2) point.value = f.fixed();
    if (f.field() == 5) {
      const std::string histogram = f.content;
      for (Fields h{histogram}; h.next();) {
        if (h.field() <= 5) point.histogram.push_back(h.fixed());
        if (h.field() == 6) point.limits = h.packed();
        if (h.field() == 7) point.counts = h.packed();
      }
    }
  }
  points.push_back(point);
}

std::vector<Point> read_events(const fs::path& path) {
  const std::string bytes = read_file(path);
  std::vector<Point> points;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::uint64_t length = number(bytes, at, 8);
    EXPECT_TRUE(crc_holds(bytes.substr(at, 8), number(bytes, at + 8, 4)));
    const std::string event = bytes.substr(at + 12, length);
    EXPECT_TRUE(crc_holds(event, number(bytes, at + 12 + length, 4)));
    at += 16 + length;
    Point point;
    std::string summary;
    for (Fields f{event}; f.next();) {
      if (f.field() == 1) point.wall_time = f.fixed();
      if (f.field() == 2) point.step = static_cast<std::int64_t>(f.plain);
      if (f.field() == 3) point.version = f.content;
      if (f.field() == 5) summary = f.content;
      if (f.field() == 7) point.session_start = f.content == std::string("\x08\x01");
    }
    if (summary.empty()) points.push_back(point);
    for (Fields f{summary}; f.next();) read_value(std::string(f.content), point, points);
  }
  return points;
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(Tensorboard, Crc32cAsPublished) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
}

TEST(Tensorboard, ScalarsAreThereAtOnce) {
  const test::TempDir dir;
  EventFiles events(dir / "events", -1);
  events.scalars(7, {{"train/loss", 2.5}, {"val/R@1", std::numeric_limits<double>::quiet_NaN()}});
  events.scalars(std::int64_t{1} << 40, {{"train/loss", -1}});
  const auto points = read_events(events.file());  // while it is still open
  ASSERT_EQ(points.size(), 4u);
  EXPECT_EQ(points[0].version, "brain.Event:2");
  EXPECT_NEAR(points[0].wall_time, static_cast<double>(std::time(nullptr)), 60);
  EXPECT_EQ(points[1].step, 7);
  EXPECT_EQ(points[1].tag, "train/loss");
  EXPECT_EQ(points[1].value, 2.5);
  EXPECT_EQ(points[2].tag, "val/R@1");
  EXPECT_TRUE(std::isnan(points[2].value));
  EXPECT_EQ(points[3].step, std::int64_t{1} << 40);
}

TEST(Tensorboard, HistogramsCountEveryFiniteValue) {
  const std::vector<double> values = {0, -3, 0.001, 0.001, 5, 5.01, 100, std::numeric_limits<double>::infinity()};
  const Histogram h = Histogram::of(values);
  EXPECT_EQ(h.min, -3);
  EXPECT_EQ(h.max, 100);
  EXPECT_EQ(h.count(), 7);
  EXPECT_TRUE(std::is_sorted(h.limits.begin(), h.limits.end()));
  for (std::size_t i = 0; i < h.limits.size(); ++i) {  // against counting afresh
    double n = 0;
    for (const double v : values)
      if (std::isfinite(v) && v <= h.limits[i] && (i == 0 || v > h.limits[i - 1])) ++n;
    EXPECT_EQ(h.counts[i], n) << "limit " << h.limits[i];
  }
  EXPECT_GE(h.limits.back(), 100);
  EXPECT_LE(h.limits.back(), 110.01);
  EXPECT_TRUE(Histogram::of({}).limits.empty());

  const test::TempDir dir;
  EventFiles events(dir.path(), -1);
  events.histograms(3, {{"gradients", h}});
  const Point point = read_events(events.file()).back();
  EXPECT_EQ(point.step, 3);
  EXPECT_EQ(point.histogram, (std::vector<double>{h.min, h.max, 7, h.sum, h.sum_squares}));
  EXPECT_EQ(point.limits, h.limits);
  EXPECT_EQ(point.counts, h.counts);
}

TEST(Tensorboard, AResumedRunGoesOnWithoutOverlap) {
  const test::TempDir dir;
  fs::path first;
  {
    EventFiles events(dir.path(), -1);
    for (int step = 1; step <= 5; ++step) events.scalars(step, {{"loss", step}});
    first = events.file();
  }
  std::ofstream(first, std::ios::binary | std::ios::app) << tfrecord("\x10").substr(0, 14);  // of a crash
  EventFiles events(dir.path(), 3);
  events.scalars(4, {{"loss", 40}});
  const auto files = files_in(dir.path());
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0], first) << "in the order in which they were written";
  std::vector<std::int64_t> steps;
  for (const auto& file : files)
    for (const Point& point : read_events(file))
      if (!point.tag.empty()) steps.push_back(point.step);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{1, 2, 3, 4}));
  const auto resumed = read_events(events.file());
  EXPECT_TRUE(resumed[1].session_start);
  EXPECT_EQ(resumed[1].step, 4);

  const EventFiles anew(dir.path(), -1);
  EXPECT_EQ(files_in(dir.path()), std::vector<fs::path>{anew.file()});
}

TEST(Tensorboard, ForeignFilesStayAndDamagedOnesAreCutAtTheDamage) {
  const test::TempDir dir;
  test::write_text(dir / "notes.txt", "mine");
  fs::path file;
  {
    EventFiles events(dir.path(), -1);
    for (int step = 1; step <= 3; ++step) events.scalars(step, {{"loss", step}});
    file = events.file();
  }
  std::string bytes = read_file(file);
  bytes[bytes.size() - 20] ^= 1;  // in the last event
  test::write_text(file, bytes);
  const EventFiles events(dir.path(), 3);
  EXPECT_EQ(read_file(dir / "notes.txt"), "mine");
  EXPECT_EQ(read_events(file).back().step, 2);
}

TEST(Tensorboard, UnwritablePlaceIsTheUsersFault) {
  const test::TempDir folder;
  test::write_text(folder / "file", "x");
  EXPECT_NE(test::invalid_input_of([&] { EventFiles(folder / "file" / "events", -1); }), "");
}

}  // namespace
}  // namespace edgeclip
