#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "retrieval/evaluate/query_stream.h"
#include "retrieval/gallery/writer.h"

namespace edgeclip {

/// A gallery on disk that grows while others search it, and loses its oldest images, as that of a box at a camera: a thread of its own
/// encodes images and appends them, makes segments of them, takes out all but the newest and compacts.  In a temporary folder, which
/// goes with the object.  Its readers call newest(); that apart not thread-safe.
class RollingGallery {
 public:
  struct Options {
    int batch = 1;              ///< images encoded at once
    double seal_seconds = 1;    ///< from one segment to the next
    std::int64_t kept = 2048;   ///< images left when it is compacted
    int seals_to_compact = 16;
  };

  /// Does a piece of the thread's work, and says whether it was done: what the work throws and this lets pass ends the thread, and is
  /// thrown by check().
  using Guard = std::function<bool(const std::function<void()>& work)>;

  /// The encoder is called while others call it too.  Has images when it returns.
  RollingGallery(Encoder& encoder, const QueryStream& images, const Options& options, Guard guard);
  ~RollingGallery();
  RollingGallery(const RollingGallery&) = delete;
  RollingGallery& operator=(const RollingGallery&) = delete;

  /// The generation that was last written, opened if it is not yet.  By one thread.
  const GallerySnapshot& newest();
  /// Throws what ended the thread.
  void check() const;

  std::int64_t appended() const { return appended_; }
  std::int64_t removed() const { return removed_; }
  /// That newest() has opened.
  std::int64_t generations_read() const { return generations_read_; }

 private:
  /// A folder that goes with the object.
  struct Folder {
    Folder();
    ~Folder();
    std::filesystem::path path;
  };
  void work();
  void append_batch();
  void seal_and_tidy();

  Encoder& encoder_;
  QueryStream images_;
  const Options options_;
  const Guard guard_;
  Folder folder_;
  GalleryWriter writer_;
  std::int32_t source_ = 0;
  Stopwatch since_seal_;
  std::uint64_t newest_number_ = 0;
  std::atomic<std::int64_t> appended_{0}, removed_{0}, seals_{0};
  std::int64_t opened_seal_ = -1, generations_read_ = 0;
  GallerySnapshot newest_;
  mutable std::mutex mutex_;
  std::exception_ptr failure_;  ///< under mutex_
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace edgeclip
