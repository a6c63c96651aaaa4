#include "base/tensorboard.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <limits>

#include "base/atomic_output.h"
#include "base/file.h"
#include "base/io_error.h"
#include "base/protobuf_wire.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

// Fields of tensorflow/core/util/event.proto and framework/summary.proto.
enum EventField : std::uint32_t { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7 };
enum SummaryField : std::uint32_t { kValue = 1 };
enum ValueField : std::uint32_t { kTag = 1, kSimpleValue = 2, kHistogram = 5 };
enum HistogramField : std::uint32_t { kMin = 1, kMax, kNum, kSum, kSumSquares, kBucketLimit, kBucket };
constexpr std::uint64_t kSessionStart = 1;

constexpr const char* kPrefix = "events.out.tfevents.";

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) != 0 ? 0x82F63B78u : 0u);
    table[i] = c;
  }
  return table;
}

std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return std::rotr(crc, 15) + 0xA282EAD8u;
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

ProtobufMessage new_event(std::int64_t step) {
  ProtobufMessage event;
  event.add_double(kWallTime, wall_time());
  if (step != 0) event.add_varint(kStep, static_cast<std::uint64_t>(step));
  return event;
}

/// Records up to that step.  One cut short by a crash, and what follows it, goes.
std::string records_until(const std::string& bytes, std::int64_t last) {
  constexpr std::size_t kHead = 12, kTail = 4;
  std::string kept;
  for (std::size_t at = 0; at + kHead <= bytes.size();) {
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[at + i]);
    if (length > bytes.size() - at - kHead || length + kTail > bytes.size() - at - kHead) break;
    const std::string_view event(bytes.data() + at + kHead, length);
    std::int64_t step = 0;
    if (tfrecord(event) != bytes.substr(at, kHead + length + kTail) || !event_step(event, step)) break;
    if (step <= last) kept += tfrecord(event);
    at += kHead + length + kTail;
  }
  return kept;
}

void cut_older_files(const fs::path& folder, std::int64_t keep_until) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().rfind(kPrefix, 0) != 0) continue;
    if (keep_until < 0) {
      fs::remove(entry.path());
      continue;
    }
    const std::string bytes = read_file(entry.path(), std::numeric_limits<std::int64_t>::max());
    const std::string kept = records_until(bytes, keep_until);
    if (kept == bytes) continue;
    AtomicFile cut(entry.path());
    cut.write(kept);
    cut.commit();
  }
}

/// Later files sort behind earlier ones, also of processes that start within one second.
fs::path new_file(const fs::path& folder) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') host = {"localhost"};
  const auto seconds = static_cast<std::int64_t>(wall_time());
  for (int n = 0;; ++n) {
    fs::path path = folder / fmt::format("{}{:010}.{}.{}.{}", kPrefix, seconds, host.data(), ::getpid(), n);
    if (!fs::exists(path)) return path;
  }
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = crc_table();
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes) crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

std::string tfrecord(std::string_view bytes) {
  std::string length, out;
  append_little_endian(length, static_cast<std::uint64_t>(bytes.size()));
  out = length;
  append_little_endian(out, masked_crc(length));
  out += bytes;
  append_little_endian(out, masked_crc(bytes));
  return out;
}

Histogram Histogram::of(const std::vector<double>& values) {
  Histogram h;
  std::vector<double> sorted;
  for (const double v : values)
    if (std::isfinite(v)) sorted.push_back(v);
  if (sorted.empty()) return h;
  std::sort(sorted.begin(), sorted.end());
  h.min = sorted.front();
  h.max = sorted.back();
  for (const double v : sorted) {
    h.sum += v;
    h.sum_squares += v * v;
    if (!h.limits.empty() && v <= h.limits.back()) {
      ++h.counts.back();
      continue;
    }
    // The limit is the power of 1.1 at or beyond the value: of a negative one the smaller power.
    double limit = 0;
    if (v != 0) {
      const double power = std::log(std::abs(v)) / std::log(1.1);
      limit = v > 0 ? std::pow(1.1, std::ceil(power)) : -std::pow(1.1, std::floor(power));
      if (!(limit >= v)) limit = v;  // rounded the wrong way
    }
    h.limits.push_back(limit);
    h.counts.push_back(1);
  }
  return h;
}

double Histogram::count() const {
  double n = 0;
  for (const double c : counts) n += c;
  return n;
}

EventFiles::EventFiles(fs::path folder, std::int64_t keep_until) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw_output_error(folder, error.value());
  cut_older_files(folder, keep_until);
  path_ = new_file(folder);
  file_.open(path_, std::ios::binary | std::ios::app);
  if (!file_) invalid_input("{}: cannot be written; choose another output path", path_.string());
  ProtobufMessage version = new_event(0);
  version.add_bytes(kFileVersion, "brain.Event:2");
  write(version.bytes());
  if (keep_until < 0) return;
  ProtobufMessage start = new_event(keep_until + 1), session;
  session.add_varint(1, kSessionStart);
  start.add_bytes(kSessionLog, session.bytes());
  write(start.bytes());
}

void EventFiles::scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  ProtobufMessage summary;
  for (const auto& [tag, number] : values) {
    ProtobufMessage value;
    value.add_bytes(kTag, tag);
    value.add_float(kSimpleValue, static_cast<float>(number));
    summary.add_bytes(kValue, value.bytes());
  }
  ProtobufMessage event = new_event(step);
  event.add_bytes(kSummary, summary.bytes());
  write(event.bytes());
}

void EventFiles::histograms(std::int64_t step, const std::vector<std::pair<std::string, Histogram>>& values) {
  ProtobufMessage summary;
  for (const auto& [tag, h] : values) {
    ProtobufMessage histogram, value;
    histogram.add_double(kMin, h.min);
    histogram.add_double(kMax, h.max);
    histogram.add_double(kNum, h.count());
    histogram.add_double(kSum, h.sum);
    histogram.add_double(kSumSquares, h.sum_squares);
    histogram.add_doubles(kBucketLimit, h.limits);
    histogram.add_doubles(kBucket, h.counts);
    value.add_bytes(kTag, tag);
    value.add_bytes(kHistogram, histogram.bytes());
    summary.add_bytes(kValue, value.bytes());
  }
  ProtobufMessage event = new_event(step);
  event.add_bytes(kSummary, summary.bytes());
  write(event.bytes());
}

void EventFiles::write(const std::string& event) {
  errno = 0;
  file_ << tfrecord(event) << std::flush;
  if (!file_) throw_io_error(path_, "cannot be written", errno, "go on with --resume");
}

bool event_step(std::string_view event, std::int64_t& step) {
  step = 0;
  for (ProtobufReader reader(event); !reader.done();) {
    if (!reader.next()) return false;
    if (reader.field() == kStep && reader.is_varint()) step = static_cast<std::int64_t>(reader.varint());
  }
  return true;
}

}  // namespace edgeclip
