#include "data/dataset/loader.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/rng.h"
#include "base/signals.h"
#include "base/threads.h"
#include "data/dataset/batch_order.h"
#include "data/dataset/pixel_cache.h"

namespace edgeclip {

namespace {

/// The use of the seed that orders an epoch; compose_batch.cpp has the others.
constexpr std::uint64_t kOrderStream = 0x6f72646572ull;

/// A batch on its way: the pool fills its slots, next() waits until none is missing.
class PendingBatch {
 public:
  explicit PendingBatch(ComposedBatch composed)
      : content(std::move(composed)),
        unreadable(content.batch.images.size()),
        missing_(static_cast<std::int64_t>(unreadable.size())) {}

  /// A slot's pixels, flags and mark are written by the thread that decodes it, and read after wait().
  ComposedBatch content;
  std::vector<char> unreadable;  ///< by slot

  void slot_done(std::exception_ptr error) {
    std::lock_guard lock(mutex_);
    if (error && !error_) error_ = error;
    if (--missing_ == 0) done_.notify_all();
  }
  /// Rethrows the first failure of a slot.
  void wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return missing_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::int64_t missing_;
  std::exception_ptr error_;
};

struct Task {
  std::shared_ptr<PendingBatch> batch;
  std::int64_t slot = 0;
};

/// One epoch's threads: a planner makes batches in order and hands out their images, a pool decodes them.
struct Pipeline {
  explicit Pipeline(std::size_t ahead) : tasks(64), ready(ahead) {}
  BoundedQueue<Task> tasks;
  BoundedQueue<std::shared_ptr<PendingBatch>>
      ready;  ///< in order, complete or not; bounds what is decoded ahead
  std::atomic<bool> stopping{false};
  std::exception_ptr planner_error;  ///< read after `ready` is drained, so after the planner's close()
  std::vector<std::thread> threads;

  ~Pipeline() {
    stopping = true;
    tasks.close();
    ready.close();
    for (auto& thread : threads) thread.join();
  }
};

}  // namespace

struct Loader::State {
  const Dataset& dataset;
  const ImageTransform transform;
  const LoaderOptions options;
  const ImageAugmenter augmenter;
  const std::vector<BatchItem> items;  ///< of every epoch
  PixelCache cache;                    ///< by index of Dataset::images
  const std::int64_t images;           ///< of the split
  std::int64_t batches = 0;            ///< of every epoch
  std::mutex corrupt_mutex;
  std::set<std::int64_t> corrupt;      ///< indices into Dataset::images
  std::unique_ptr<Pipeline> pipeline;  ///< of the running epoch; goes first: its threads use the rest

  State(const Dataset& d, const ImageTransform& t, const LoaderOptions& o)
      : dataset(d),
        transform(t),
        options(o),
        augmenter(o.augment, t),
        items(items_of_epoch(d, o)),
        cache(d.images.size(), static_cast<std::int64_t>(o.loading.cache_mb) << 20),
        images(static_cast<std::int64_t>(d.split(o.split).size())) {}

  std::vector<std::vector<BatchItem>> order(std::int64_t epoch) const;
  std::shared_ptr<PendingBatch> plan(const std::vector<BatchItem>& whole, std::int64_t epoch) const;
  void run_planner(Pipeline& p, std::int64_t epoch, std::int64_t skip) const;
  void run_decoder(Pipeline& p);
  void decode_or_skip(const Task& task);
  void decode(const Task& task);
  void skip_corrupt(const Task& task, const std::string& reason);
};

std::vector<std::vector<BatchItem>> Loader::State::order(std::int64_t epoch) const {
  return batch_order(dataset, items, options,
                     Rng::stream(options.seed ^ kOrderStream, static_cast<std::uint64_t>(epoch)));
}

/// The rank's part of a batch, without its pixels' values.
std::shared_ptr<PendingBatch> Loader::State::plan(const std::vector<BatchItem>& whole,
                                                  std::int64_t epoch) const {
  auto pending = std::make_shared<PendingBatch>(compose_batch(dataset, options, whole, epoch));
  Batch& batch = pending->content.batch;
  const Shape shape = {batch.tokens.dim(0), 3, transform.height, transform.width};
  batch.pixels = Tensor(DType::f32, shape);
  if (options.second_view) batch.second_pixels = Tensor(DType::f32, shape);
  return pending;
}

void Loader::State::run_planner(Pipeline& p, std::int64_t epoch, std::int64_t skip) const {
  try {
    const auto batches = order(epoch);
    for (std::size_t b = static_cast<std::size_t>(skip); b < batches.size() && !p.stopping; ++b) {
      auto pending = plan(batches[b], epoch);
      const std::size_t slots = pending->unreadable.size();
      if (!p.ready.push(pending)) break;
      std::size_t handed_out = 0;
      try {
        for (; handed_out < slots; ++handed_out)
          if (!p.tasks.push({pending, static_cast<std::int64_t>(handed_out)})) return;
      } catch (...) {  // next() waits for all of them
        for (; handed_out < slots; ++handed_out) pending->slot_done(std::current_exception());
        throw;
      }
    }
  } catch (...) {
    p.planner_error = std::current_exception();
  }
  p.tasks.close();
  p.ready.close();
}

void Loader::State::run_decoder(Pipeline& p) {
  while (auto task = p.tasks.pop()) {
    if (p.stopping) return;  // nobody waits any more
    std::exception_ptr error;
    try {
      decode_or_skip(*task);
    } catch (...) {
      error = std::current_exception();
    }
    task->batch->slot_done(error);
  }
}

void Loader::State::decode_or_skip(const Task& task) {
  try {
    decode(task);
  } catch (const InvalidInput& unreadable) {
    if (options.loading.on_corrupt == "error") {
      if (options.world > 1) throw;
      throw InvalidInput(std::string(unreadable.what()) + "; loading.on_corrupt skip leaves such images out");
    }
    skip_corrupt(task, unreadable.what());
  }
}

void Loader::State::skip_corrupt(const Task& task, const std::string& reason) {
  task.batch->unreadable[static_cast<std::size_t>(task.slot)] = 1;
  const std::int64_t image = task.batch->content.batch.images[static_cast<std::size_t>(task.slot)];
  std::lock_guard lock(corrupt_mutex);
  if (corrupt.insert(image).second) spdlog::warn("left out: {}", reason);
}

void Loader::State::decode(const Task& task) {
  ComposedBatch& content = task.batch->content;
  Batch& batch = content.batch;
  const auto slot = static_cast<std::size_t>(task.slot);
  const auto index = static_cast<std::size_t>(batch.images[slot]);
  const auto path = dataset.image_path(dataset.images[index].path);
  std::shared_ptr<const Image> image = cache.find(index);
  if (!image) {
    image = std::make_shared<const Image>(augmenter.read(path));
    cache.offer(index, image);
  }
  const std::int64_t size = std::int64_t{3} * transform.height * transform.width;
  try {
    const auto view = [&](const ViewDraws& draws, Tensor& pixels) {
      return augmenter.augment(*image, draws.flips[slot] != 0, draws.pixels[slot],
                               pixels.data<float>() + task.slot * size);
    };
    batch.image_augmented[slot] = view(content.view, batch.pixels);
    if (options.second_view) view(content.second_view, batch.second_pixels);
  } catch (const InvalidInput& error) {
    throw InvalidInput(path.string() + ": " + error.what());
  }
}

Loader::Loader(const Dataset& dataset, const ImageTransform& transform, const LoaderOptions& options) {
  transform.validate("image transform: ");
  options.validate();
  require_mask(options.augment.tokens, *dataset.tokenizer);
  state_ = std::make_unique<State>(dataset, transform, options);
  state_->batches = static_cast<std::int64_t>(state_->order(0).size());
}

Loader::~Loader() = default;

std::int64_t Loader::batches_per_epoch() const { return state_->batches; }

void Loader::start_epoch(std::int64_t epoch, std::int64_t skip) {
  EDGECLIP_CHECK(epoch >= 0 && skip >= 0, "epoch {}, skip {}", epoch, skip);
  State& state = *state_;
  state.pipeline.reset();  // ends the threads of an epoch that is still running
  state.pipeline = std::make_unique<Pipeline>(static_cast<std::size_t>(state.options.loading.queue));
  Pipeline& p = *state.pipeline;
  const int decoders = state.options.loading.threads > 0 ? state.options.loading.threads : thread_count();
  p.threads.emplace_back([&state, &p, epoch, skip] { state.run_planner(p, epoch, skip); });
  for (int t = 0; t < decoders; ++t) p.threads.emplace_back([&state, &p] { state.run_decoder(p); });
}

std::optional<Batch> Loader::next() {
  EDGECLIP_CHECK(state_->pipeline, "next() before start_epoch()");
  throw_if_interrupted();
  Pipeline& p = *state_->pipeline;
  if (const auto pending = p.ready.pop()) {
    (*pending)->wait();
    Batch& batch = (*pending)->content.batch;
    std::vector<std::int64_t> readable;
    for (std::size_t i = 0; i < batch.images.size(); ++i)
      if (!(*pending)->unreadable[i]) readable.push_back(static_cast<std::int64_t>(i));
    if (readable.size() == batch.images.size()) return std::move(batch);
    if (readable.empty())
      invalid_input(
          "none of the {} images of a batch can be read, the first is {}; prepare the dataset again",
          batch.images.size(),
          state_->dataset.image_path(state_->dataset.images[static_cast<std::size_t>(batch.images[0])].path)
              .string());
    return rows_of(batch, readable);
  }
  if (p.planner_error) std::rethrow_exception(p.planner_error);
  return std::nullopt;
}

std::int64_t Loader::corrupt_images() const {
  std::lock_guard lock(state_->corrupt_mutex);
  return static_cast<std::int64_t>(state_->corrupt.size());
}

std::int64_t Loader::images() const { return state_->images; }

Tensor load_pixels(const std::vector<std::filesystem::path>& paths, const ImageTransform& transform,
                   int threads) {
  transform.validate("image transform: ");
  const auto n = static_cast<std::int64_t>(paths.size());
  Tensor pixels(DType::f32, {n, 3, transform.height, transform.width});
  float* out = pixels.data<float>();
  const std::int64_t size = std::int64_t{3} * transform.height * transform.width;
  parallel_for(
      n,
      [&](std::int64_t i) {
        normalize_pixels(load_image(paths[static_cast<std::size_t>(i)], transform), transform, false,
                         out + i * size);
      },
      threads);
  return pixels;
}

}  // namespace edgeclip
