#include "data/dataset/loader.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
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

namespace edgeclip {

namespace {

// Each use of the seed draws from a stream of its own.
constexpr std::uint64_t kOrderStream = 0x6f72646572ull, kImageStream = 0x696d616765ull;

/// A batch on its way: the pool fills its slots, next() waits until none is missing.
class PendingBatch {
 public:
  Batch batch;

  explicit PendingBatch(std::int64_t slots) : unreadable(static_cast<std::size_t>(slots)), missing_(slots) {}

  std::vector<char>
      unreadable;  ///< by slot; each is written by the thread that decodes it, read after wait()

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
  bool flip = false;
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
  const std::vector<std::int64_t> split;
  std::vector<Image> cache;  ///< by index of Dataset::images; an image is in one batch of an epoch only
  std::atomic<std::int64_t> cache_left{0};  ///< bytes
  std::unique_ptr<Pipeline> pipeline;       ///< of the running epoch
  std::int64_t batches = 0;                 ///< of every epoch
  std::mutex corrupt_mutex;
  std::set<std::int64_t> corrupt;  ///< indices into Dataset::images

  State(const Dataset& d, const ImageTransform& t, const LoaderOptions& o)
      : dataset(d), transform(t), options(o), split(d.split(o.split)) {}

  std::shared_ptr<PendingBatch> plan(const std::vector<std::int64_t>& images, std::int64_t epoch,
                                     std::vector<bool>* flips) const;
  void run_planner(Pipeline& p, std::int64_t epoch, std::int64_t skip) const;
  void run_decoder(Pipeline& p);
  void decode(const Task& task);
  void skip_corrupt(const Task& task, const std::string& reason);
};

/// The batch without its pixels.
std::shared_ptr<PendingBatch> Loader::State::plan(const std::vector<std::int64_t>& images, std::int64_t epoch,
                                                  std::vector<bool>* flips) const {
  const auto n = static_cast<std::int64_t>(images.size());
  auto pending = std::make_shared<PendingBatch>(n);
  Batch& batch = pending->batch;
  batch.images = images;
  std::vector<const std::int32_t*> rows;
  std::int64_t longest = 1;
  flips->clear();
  for (const auto index : images) {
    const ImageItem& image = dataset.images[static_cast<std::size_t>(index)];
    Rng rng = Rng::stream(options.seed ^ kImageStream, static_cast<std::uint64_t>(epoch),
                          static_cast<std::uint64_t>(index));
    const std::int32_t* row =
        dataset.tokens.data<std::int32_t>() + rng.pick(image.rows) * dataset.context_length;
    flips->push_back(options.flip && rng.chance(0.5));
    const auto* end = std::find(row, row + dataset.context_length, dataset.tokenizer->end_id());
    longest = std::max(longest, std::min<std::int64_t>(end - row + 1, dataset.context_length));
    rows.push_back(row);
    batch.ids.push_back(image.id);
  }
  batch.tokens = Tensor(DType::i32, {n, longest});
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy(rows[i], rows[i] + longest,
              batch.tokens.data<std::int32_t>() + static_cast<std::int64_t>(i) * longest);
  batch.pixels = Tensor(DType::f32, {n, 3, transform.height, transform.width});
  return pending;
}

void Loader::State::run_planner(Pipeline& p, std::int64_t epoch, std::int64_t skip) const {
  try {
    const auto order = batch_order(
        dataset, split, options, Rng::stream(options.seed ^ kOrderStream, static_cast<std::uint64_t>(epoch)));
    std::vector<bool> flips;
    for (std::size_t b = static_cast<std::size_t>(skip); b < order.size() && !p.stopping; ++b) {
      auto pending = plan(order[b], epoch, &flips);
      if (!p.ready.push(pending)) break;
      for (std::size_t i = 0; i < flips.size(); ++i)
        if (!p.tasks.push({pending, static_cast<std::int64_t>(i), flips[i]})) return;
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
      decode(*task);
    } catch (const InvalidInput& unreadable) {
      if (options.on_corrupt == "skip")
        skip_corrupt(*task, unreadable.what());
      else
        error = std::current_exception();
    } catch (...) {
      error = std::current_exception();
    }
    task->batch->slot_done(error);
  }
}

void Loader::State::skip_corrupt(const Task& task, const std::string& reason) {
  task.batch->unreadable[static_cast<std::size_t>(task.slot)] = 1;
  const std::int64_t image = task.batch->batch.images[static_cast<std::size_t>(task.slot)];
  std::lock_guard lock(corrupt_mutex);
  if (corrupt.insert(image).second) spdlog::warn("left out: {}", reason);
}

/// The batch without the slots that are marked.
static Batch without_slots(const Batch& batch, const std::vector<char>& marked) {
  std::vector<std::int64_t> kept;
  for (std::size_t i = 0; i < marked.size(); ++i)
    if (!marked[i]) kept.push_back(static_cast<std::int64_t>(i));
  Batch out;
  const auto rows_of = [&](const Tensor& from) {
    Shape shape = from.shape();
    shape[0] = static_cast<std::int64_t>(kept.size());
    Tensor to(from.dtype(), shape);
    const std::size_t bytes = from.bytes() / static_cast<std::size_t>(from.dim(0));
    for (std::size_t k = 0; k < kept.size(); ++k)
      std::memcpy(to.raw() + k * bytes, from.raw() + static_cast<std::size_t>(kept[k]) * bytes, bytes);
    return to;
  };
  out.pixels = rows_of(batch.pixels);
  out.tokens = rows_of(batch.tokens);
  for (const std::int64_t slot : kept) {
    out.ids.push_back(batch.ids[static_cast<std::size_t>(slot)]);
    out.images.push_back(batch.images[static_cast<std::size_t>(slot)]);
  }
  return out;
}

void Loader::State::decode(const Task& task) {
  Batch& batch = task.batch->batch;
  const auto index = static_cast<std::size_t>(batch.images[static_cast<std::size_t>(task.slot)]);
  Image fresh;
  Image* pixels = &cache[index];
  if (pixels->rgb.empty()) {
    fresh = load_image(dataset.image_path(dataset.images[index].path), transform);
    const auto bytes = static_cast<std::int64_t>(fresh.rgb.size());
    pixels = &fresh;
    if (options.cache && cache_left.fetch_sub(bytes) >= bytes)
      pixels = &(cache[index] = std::move(fresh));
    else if (options.cache)
      cache_left += bytes;
  }
  const std::int64_t size = std::int64_t{3} * transform.height * transform.width;
  normalize_pixels(*pixels, transform, task.flip, batch.pixels.data<float>() + task.slot * size);
}

Loader::Loader(const Dataset& dataset, const ImageTransform& transform, const LoaderOptions& options) {
  transform.validate("image transform: ");
  if (options.batch < 1) invalid_input("batch must be at least 1, found {}", options.batch);
  if (options.world < 1 || options.rank < 0 || options.rank >= options.world)
    invalid_input("rank {} of {}: rank must be from 0 to one less than world", options.rank, options.world);
  if (options.on_corrupt != "error" && options.on_corrupt != "skip")
    invalid_input("on_corrupt: \"{}\" is neither \"error\" nor \"skip\"", options.on_corrupt);
  if (options.identities < 0 || options.images_per_identity < 0 ||
      (options.identities == 0) != (options.images_per_identity == 0))
    invalid_input("identities {} and images_per_identity {}: both or none must be above 0",
                  options.identities, options.images_per_identity);
  state_ = std::make_unique<State>(dataset, transform, options);
  state_->batches = static_cast<std::int64_t>(batch_order(dataset, state_->split, options, Rng(0)).size());
  state_->cache.resize(dataset.images.size());
  state_->cache_left = static_cast<std::int64_t>(options.cache_mb) << 20;
}

Loader::~Loader() = default;

std::int64_t Loader::batches_per_epoch() const { return state_->batches; }

void Loader::start_epoch(std::int64_t epoch, std::int64_t skip) {
  EDGECLIP_CHECK(epoch >= 0 && skip >= 0, "epoch {}, skip {}", epoch, skip);
  State& state = *state_;
  state.pipeline.reset();  // ends the threads of an epoch that is still running
  state.pipeline = std::make_unique<Pipeline>(static_cast<std::size_t>(std::max(1, state.options.queue)));
  Pipeline& p = *state.pipeline;
  const int decoders = state.options.threads > 0 ? state.options.threads : thread_count();
  p.threads.emplace_back([&state, &p, epoch, skip] { state.run_planner(p, epoch, skip); });
  for (int t = 0; t < decoders; ++t) p.threads.emplace_back([&state, &p] { state.run_decoder(p); });
}

std::optional<Batch> Loader::next() {
  EDGECLIP_CHECK(state_->pipeline, "next() before start_epoch()");
  throw_if_interrupted();
  Pipeline& p = *state_->pipeline;
  while (const auto pending = p.ready.pop()) {
    PendingBatch& batch = **pending;
    batch.wait();
    const auto unreadable = std::count(batch.unreadable.begin(), batch.unreadable.end(), 1);
    if (unreadable == 0) return std::move(batch.batch);
    if (unreadable < static_cast<std::ptrdiff_t>(batch.unreadable.size()))
      return without_slots(batch.batch, batch.unreadable);
  }
  if (p.planner_error) std::rethrow_exception(p.planner_error);
  return std::nullopt;
}

std::int64_t Loader::corrupt_images() const {
  std::lock_guard lock(state_->corrupt_mutex);
  return static_cast<std::int64_t>(state_->corrupt.size());
}

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
