#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// TensorBoard's event files, written without TensorFlow: TFRecord frames (length, masked CRC-32C of it,
/// bytes, masked CRC-32C of them) around messages `Event` of tensorflow/core/util/event.proto, of which the
/// few fields that a curve and a histogram need are written by hand.
namespace edgeclip {

/// CRC-32C (Castagnoli), as of RFC 3720; "123456789" has 0xE3069283.
std::uint32_t crc32c(std::string_view bytes);

/// A record of a TFRecord file.
std::string tfrecord(std::string_view bytes);

/// A distribution as TensorBoard draws it: counts of values up to each limit.
struct Histogram {
  double min = 0, max = 0, sum = 0, sum_squares = 0;
  std::vector<double> limits, counts;  ///< as many each; a value is counted at the first limit >= it

  /// Of finite values; others are left out.  Buckets whose limits are 10 % apart, as TensorBoard's own.
  static Histogram of(const std::vector<double>& values);
  double count() const;
};

/// The events of a run: a folder with one file per process that wrote into it.  Not thread-safe.
class EventFiles {
 public:
  /// Starts a file in folder, which is made.  Of older files there, events up to step keep_until stay (those
  /// after it belong to work that is lost and will be done again); -1: all older files go.  The new file
  /// begins with a note by which a TensorBoard that is running drops those events too.  Throws InvalidInput if
  /// the folder cannot be written.
  EventFiles(std::filesystem::path folder, std::int64_t keep_until);

  /// One event with a point for each name; values that are not finite are points too (TensorBoard marks
  /// them).  In the file when this returns, so that a TensorBoard sees it.  Throws a machine's error
  /// (base/io_error.h) if the disk is full.
  void scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& values);
  void histograms(std::int64_t step, const std::vector<std::pair<std::string, Histogram>>& values);

  const std::filesystem::path& file() const { return path_; }

 private:
  void write(const std::string& event);

  std::filesystem::path path_;
  std::ofstream file_;
};

/// The step of a serialized Event, 0 where it has none (as proto3 leaves out a zero).  False if the bytes are
/// no message.
bool event_step(std::string_view event, std::int64_t& step);

}  // namespace edgeclip
