#include "data/pipeline/decode_pipeline.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/signals.h"

namespace edgeclip {

DecodePipeline::DecodePipeline(const DecodePipelineOptions& options)
    : options_(options), concurrent_(options.concurrent), batch_(options.batch) {
  EDGECLIP_CHECK(options.producers + options.workers >= 1 && options.consumers + options.workers >= 1 && options.batch >= 1 && options.concurrent >= 1,
                 "a pipeline of {} producers, {} consumers, {} workers", options.producers, options.consumers, options.workers);
  EDGECLIP_CHECK(!options.fixed_shares || options.workers == 0, "who does both has no share");
  queues_.resize(options.fixed_shares ? static_cast<std::size_t>(options.consumers) : 1);
  dealt_.resize(static_cast<std::size_t>(options.producers + options.workers));
}

void DecodePipeline::run(const Next& next, const Consume& consume) {
  next_ = &next;
  consume_ = &consume;
  std::vector<std::jthread> threads;  // join, also when another one cannot be started
  const auto start = [&](const Role& role) { threads.emplace_back([this, role] { work(role); }); };
  try {
    for (int c = 0; c < options_.consumers; ++c) start({false, true, options_.fixed_shares ? c : 0, 0});
    for (int p = 0; p < options_.producers; ++p) start({true, false, 0, p});
    for (int w = 0; w < options_.workers; ++w) start({true, true, 0, options_.producers + w});
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
    changed_.notify_all();
  }
}

void DecodePipeline::set_taking(int concurrent, int batch) {
  const std::lock_guard lock(mutex_);
  concurrent_ = concurrent;
  batch_ = batch;
  changed_.notify_all();
}

DecodePipeline::Fill DecodePipeline::fill() const {
  const std::lock_guard lock(mutex_);
  return {waiting(), room()};
}

void DecodePipeline::work(const Role& role) {
  Lock lock(mutex_);
  try {
    while (!over(role)) {
      if (role.takes && may_take(role.queue))
        take_batch(role, lock);
      else if (role.decodes && may_decode())
        decode_one(role, lock);
      else
        changed_.wait(lock);
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    if (!error_) error_ = std::current_exception();
  }
  changed_.notify_all();
}

bool DecodePipeline::stopping() const { return error_ != nullptr || interrupted(); }

bool DecodePipeline::over(const Role& role) const {
  if (stopping()) return true;
  if (!ended_) return false;
  return !role.takes || (decoding_ == 0 && queues_[static_cast<std::size_t>(role.queue)].empty());
}

std::int64_t DecodePipeline::room() const {
  if (options_.alternate) return batch_;
  const std::int64_t threads = options_.producers + options_.workers;
  return std::max<std::int64_t>(options_.queued, (batch_ + threads) * static_cast<std::int64_t>(queues_.size()));
}

std::int64_t DecodePipeline::waiting() const {
  std::int64_t images = 0;
  for (const auto& queue : queues_) images += static_cast<std::int64_t>(queue.size());
  return images;
}

bool DecodePipeline::may_decode() const {
  return !ended_ && !reading_ && waiting() + decoding_ < room() && !(options_.alternate && taking_ > 0);
}

bool DecodePipeline::may_take(int queue) const {
  const auto& images = queues_[static_cast<std::size_t>(queue)];
  if (taking_ >= concurrent_ || (options_.alternate && decoding_ > 0)) return false;
  return static_cast<int>(images.size()) >= batch_ || (ended_ && decoding_ == 0 && !images.empty());
}

void DecodePipeline::decode_one(const Role& role, Lock& lock) {
  reading_ = true;
  ++decoding_;
  lock.unlock();
  if (options_.decoding) options_.decoding(1);
  DecodedImage image;
  bool good = false;
  std::exception_ptr failed;
  try {
    const Decode decode = (*next_)();
    lock.lock();
    reading_ = false;
    ended_ = ended_ || !decode;
    changed_.notify_all();  // another may read, or all is read
    lock.unlock();
    good = decode && decode(image);
  } catch (...) {
    failed = std::current_exception();
  }
  if (options_.decoding) options_.decoding(-1);
  lock.lock();
  --decoding_;
  if (failed) std::rethrow_exception(failed);
  if (good) {
    // In turn by each that decodes, whatever the images' numbers in the input are (frames of a video come in steps).
    const std::int64_t at = role.place + dealt_[static_cast<std::size_t>(role.place)]++;
    queues_[static_cast<std::size_t>(at) % queues_.size()].push_back(std::move(image));
  }
  changed_.notify_all();
}

void DecodePipeline::take_batch(const Role& role, Lock& lock) {
  auto& queue = queues_[static_cast<std::size_t>(role.queue)];
  const auto count = std::min<std::size_t>(queue.size(), static_cast<std::size_t>(batch_));
  std::vector<DecodedImage> batch(std::make_move_iterator(queue.begin()), std::make_move_iterator(queue.begin() + static_cast<std::ptrdiff_t>(count)));
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(count));
  ++taking_;
  changed_.notify_all();  // there is room
  lock.unlock();
  std::exception_ptr failed;
  try {
    (*consume_)(batch);
  } catch (...) {
    failed = std::current_exception();
  }
  lock.lock();
  --taking_;
  if (failed) std::rethrow_exception(failed);
  changed_.notify_all();
}

}  // namespace edgeclip
