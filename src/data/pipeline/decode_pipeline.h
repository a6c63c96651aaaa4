#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <vector>

#include "data/image/image.h"

namespace edgeclip {

/// An image that waits for its batch.
struct DecodedImage {
  std::int64_t index = 0;  ///< place in the input order
  Image image;             ///< as transform_geometry() gives it: the tower's size, bytes
};

struct DecodePipelineOptions {
  int producers = 0;          ///< threads that decode
  int consumers = 0;          ///< threads that take batches
  int workers = 1;            ///< threads that do either, whichever is wanted more
  int batch = 32;             ///< images taken at once
  int concurrent = 1;         ///< batches worked on at once, at most
  bool fixed_shares = false;  ///< images are dealt to the consumers in turn; without workers only
  bool alternate = false;     ///< nothing is decoded while a batch is worked on: what works on it takes all CPUs by itself
  std::int64_t queued = 64;   ///< images that wait for their batch, or are on their way there, at most (a batch and an image for each thread at least)
  /// Called with 1 before a thread decodes and -1 behind, so that who divides work over threads can count it as busy.  Thread-safe.
  std::function<void(int)> decoding = {};
};

/// Reads and decodes images, which are taken in batches by as many threads as it has: all in one scheduler, in which a thread asks for
/// something to do whenever it has done something.  With `workers` the division between decoding and the rest follows from what is
/// there to be done, so that no thread waits while there is any.  Each image is in one batch; their order is not kept.
class DecodePipeline {
 public:
  /// Reads, decodes and resizes one image; false: it is left out.  Runs in any thread, beside others.
  using Decode = std::function<bool(DecodedImage&)>;
  /// What to decode next; empty at the end.  Called by one thread at a time, in order: what reads a stream reads here.
  using Next = std::function<Decode()>;
  /// Works on a batch, which may be moved from.  Called by up to `concurrent` threads at once.
  using Consume = std::function<void(std::vector<DecodedImage>& batch)>;

  explicit DecodePipeline(const DecodePipelineOptions& options);

  /// Returns when all is worked on, a signal has come (what is decoded by then is left), or something failed: error() then says what.
  /// Once only.
  void run(const Next& next, const Consume& consume);

  /// From now on; also while it runs.  No more than the consumers and workers there are.  Thread-safe.
  void set_taking(int concurrent, int batch);

  struct Fill {
    std::int64_t queued = 0, room = 0;  ///< images that are decoded and wait, and that may
  };
  /// Thread-safe.
  Fill fill() const;

  std::exception_ptr error() const { return error_; }

 private:
  struct Role {
    bool decodes = false, takes = false;
    int queue = 0, place = 0;  ///< that it takes from; among those that decode
  };
  using Lock = std::unique_lock<std::mutex>;

  void work(const Role& role);
  bool stopping() const;
  bool may_decode() const;
  bool may_take(int queue) const;
  void decode_one(const Role& role, Lock& lock);
  void take_batch(const Role& role, Lock& lock);
  bool over(const Role& role) const;
  std::int64_t room() const;
  std::int64_t waiting() const;

  const DecodePipelineOptions options_;
  const Next* next_ = nullptr;
  const Consume* consume_ = nullptr;

  mutable std::mutex mutex_;  ///< of all below
  std::condition_variable changed_;
  std::vector<std::deque<DecodedImage>> queues_;  ///< one, or one for each consumer
  std::vector<std::int64_t> dealt_;               ///< by each that decodes
  int concurrent_, batch_;
  int decoding_ = 0, taking_ = 0;
  bool reading_ = false, ended_ = false;
  std::exception_ptr error_;
};

}  // namespace edgeclip
