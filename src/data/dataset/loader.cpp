#include "data/dataset/loader.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

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

// Each use of the seed draws from a stream of its own.
constexpr std::uint64_t kOrderStream = 0x6f72646572ull, kImageStream = 0x696d616765ull,
                        kPixelStream = 0x706978656cull, kTokenStream = 0x746f6b656eull;

/// A batch on its way: the pool fills its slots, next() waits until none is missing.
class PendingBatch {
 public:
  Batch batch;

  explicit PendingBatch(std::int64_t slots) : unreadable(static_cast<std::size_t>(slots)), missing_(slots) {}

  /// By slot; each is written by the thread that decodes it, and read after wait().
  std::vector<char> unreadable;
  std::vector<Rng> pixel_draws;  ///< by slot: what its augmentation is drawn from
  std::vector<char> flips;       ///< by slot

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
  const std::vector<std::int64_t> split;
  PixelCache cache;          ///< by index of Dataset::images
  std::int64_t batches = 0;  ///< of every epoch
  std::mutex corrupt_mutex;
  std::set<std::int64_t> corrupt;      ///< indices into Dataset::images
  std::unique_ptr<Pipeline> pipeline;  ///< of the running epoch; goes first: its threads use the rest

  State(const Dataset& d, const ImageTransform& t, const LoaderOptions& o)
      : dataset(d),
        transform(t),
        options(o),
        augmenter(o.augment, t),
        split(d.split(o.split)),
        cache(d.images.size(), static_cast<std::int64_t>(o.loading.cache_mb) << 20) {}

  std::vector<std::int32_t> tokens_of(std::int64_t pair, bool swap_sides) const;
  std::shared_ptr<PendingBatch> plan(const std::vector<std::int64_t>& images, std::int64_t epoch) const;
  void run_planner(Pipeline& p, std::int64_t epoch, std::int64_t skip) const;
  void run_decoder(Pipeline& p);
  void decode_or_skip(const Task& task);
  void decode(const Task& task);
  void skip_corrupt(const Task& task, const std::string& reason);
};

/// Begin to end, without padding.
std::vector<std::int32_t> Loader::State::tokens_of(std::int64_t pair, bool swap) const {
  if (swap)
    return dataset.tokenizer->encode_with_ends(
        swap_sides(dataset.pairs[static_cast<std::size_t>(pair)].caption), dataset.context_length);
  const std::int32_t* row = dataset.tokens.data<std::int32_t>() + pair * dataset.context_length;
  const auto* end = std::find(row, row + dataset.context_length, dataset.tokenizer->end_id());
  return {row, end == row + dataset.context_length ? end : end + 1};
}

/// The batch without its pixels.
std::shared_ptr<PendingBatch> Loader::State::plan(const std::vector<std::int64_t>& images,
                                                  std::int64_t epoch) const {
  const auto n = static_cast<std::int64_t>(images.size());
  const FlipOptions& flip = options.augment.flip;
  const TokenAugmentOptions& change = options.augment.tokens;
  auto pending = std::make_shared<PendingBatch>(n);
  Batch& batch = pending->batch;
  batch.images = images;
  std::vector<std::vector<std::int32_t>> rows;
  std::size_t longest = 1;
  std::unordered_map<std::int64_t, std::uint64_t> seen;  // a person of few images repeats them in its batch
  for (const auto index : images) {
    const ImageItem& image = dataset.images[static_cast<std::size_t>(index)];
    const std::uint64_t repetition = seen[index]++;
    const auto stream = [&](std::uint64_t use) {
      return Rng::stream(options.seed ^ use, static_cast<std::uint64_t>(epoch),
                         static_cast<std::uint64_t>(index) + (repetition << 40));
    };
    Rng rng = stream(kImageStream);
    const std::int64_t pair = rng.pick(image.rows);
    bool flipped = flip.probability > 0 && rng.chance(flip.probability);
    const bool sided = flipped && flip.sides != "ignore" &&
                       names_side(dataset.pairs[static_cast<std::size_t>(pair)].caption);
    if (sided && flip.sides == "no_flip") flipped = false;
    auto row = tokens_of(pair, sided && flipped);
    if (change.drop > 0 || change.mask > 0) {
      Rng draw = stream(kTokenStream);
      augment_tokens(row, change, *dataset.tokenizer, draw);
    }
    longest = std::max(longest, row.size());
    rows.push_back(std::move(row));
    pending->flips.push_back(flipped);
    pending->pixel_draws.push_back(stream(kPixelStream));
    batch.ids.push_back(image.id);
  }
  batch.tokens = Tensor(DType::i32, {n, static_cast<std::int64_t>(longest)});
  std::int32_t* out = batch.tokens.data<std::int32_t>();
  std::fill(out, out + batch.tokens.elements(), dataset.tokenizer->pad_id());
  for (std::size_t i = 0; i < rows.size(); ++i) std::copy(rows[i].begin(), rows[i].end(), out + i * longest);
  batch.pixels = Tensor(DType::f32, {n, 3, transform.height, transform.width});
  return pending;
}

void Loader::State::run_planner(Pipeline& p, std::int64_t epoch, std::int64_t skip) const {
  try {
    const auto order = batch_order(
        dataset, split, options, Rng::stream(options.seed ^ kOrderStream, static_cast<std::uint64_t>(epoch)));
    for (std::size_t b = static_cast<std::size_t>(skip); b < order.size() && !p.stopping; ++b) {
      auto pending = plan(order[b], epoch);
      const std::size_t slots = order[b].size();
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
    if (options.loading.on_corrupt != "skip") throw;
    skip_corrupt(task, unreadable.what());
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
  PendingBatch& pending = *task.batch;
  const auto slot = static_cast<std::size_t>(task.slot);
  const auto index = static_cast<std::size_t>(pending.batch.images[slot]);
  const auto path = dataset.image_path(dataset.images[index].path);
  std::shared_ptr<const Image> image = cache.find(index);
  if (!image) {
    image = std::make_shared<const Image>(augmenter.read(path));
    cache.offer(index, image);
  }
  const std::int64_t size = std::int64_t{3} * transform.height * transform.width;
  try {
    augmenter.augment(*image, pending.flips[slot] != 0, pending.pixel_draws[slot],
                      pending.batch.pixels.data<float>() + task.slot * size);
  } catch (const InvalidInput& error) {
    throw InvalidInput(path.string() + ": " + error.what());
  }
}

void LoadingOptions::validate(const std::string& where) const {
  if (identities < 0 || images_per_identity < 0 || (identities == 0) != (images_per_identity == 0))
    invalid_input("{}identities {} and images_per_identity {}: both or none must be above 0", where,
                  identities, images_per_identity);
  if (identities == 1)
    invalid_input("{}identities: must be at least 2: a pair is told from the others of its batch", where);
  constexpr std::int64_t kLargestBatch = 65536;
  if (std::int64_t{identities} * images_per_identity > kLargestBatch)
    invalid_input("{}identities {} x images_per_identity {}: a batch has at most {} images", where,
                  identities, images_per_identity, kLargestBatch);
  if (on_corrupt != "error" && on_corrupt != "skip")
    invalid_input("{}on_corrupt: \"{}\" is neither \"error\" nor \"skip\"", where, on_corrupt);
  if (!(max_unreadable >= 0 && max_unreadable <= 100))
    invalid_input("{}max_unreadable: {} is no percentage (0 to 100)", where, max_unreadable);
  if (threads < 0 || threads > 4096)
    invalid_input("{}threads: must be 0 (all) to 4096, is {}", where, threads);
  if (queue < 1 || queue > 4096) invalid_input("{}queue: must be 1 to 4096 batches, is {}", where, queue);
  if (cache_mb < 0) invalid_input("{}cache_mb: must be 0 (none) or more, is {}", where, cache_mb);
}

Loader::Loader(const Dataset& dataset, const ImageTransform& transform, const LoaderOptions& options) {
  transform.validate("image transform: ");
  if (options.batch < 1) invalid_input("batch must be at least 1, found {}", options.batch);
  if (options.world < 1 || options.rank < 0 || options.rank >= options.world)
    invalid_input("rank {} of {}: rank must be from 0 to one less than world", options.rank, options.world);
  options.loading.validate("");
  options.augment.validate("augment.");
  require_mask(options.augment.tokens, *dataset.tokenizer);
  state_ = std::make_unique<State>(dataset, transform, options);
  if (options.loading.identities > 0) {
    std::set<std::int64_t> persons;
    for (const auto image : state_->split) persons.insert(dataset.images[static_cast<std::size_t>(image)].id);
    if (static_cast<std::size_t>(options.loading.identities) > persons.size())
      invalid_input("loading.identities: {} persons per batch, but split \"{}\" has {}",
                    options.loading.identities, options.split, persons.size());
  }
  state_->batches = static_cast<std::int64_t>(batch_order(dataset, state_->split, options, Rng(0)).size());
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
    PendingBatch& batch = **pending;
    batch.wait();
    const auto unreadable = std::count(batch.unreadable.begin(), batch.unreadable.end(), 1);
    if (unreadable == 0) return std::move(batch.batch);
    if (unreadable == static_cast<std::ptrdiff_t>(batch.unreadable.size()))
      invalid_input(
          "none of the {} images of a batch can be read, the first is {}; prepare the dataset again",
          unreadable,
          state_->dataset
              .image_path(state_->dataset.images[static_cast<std::size_t>(batch.batch.images[0])].path)
              .string());
    return without_slots(batch.batch, batch.unreadable);
  }
  if (p.planner_error) std::rethrow_exception(p.planner_error);
  return std::nullopt;
}

std::int64_t Loader::corrupt_images() const {
  std::lock_guard lock(state_->corrupt_mutex);
  return static_cast<std::int64_t>(state_->corrupt.size());
}

std::int64_t Loader::images() const { return static_cast<std::int64_t>(state_->split.size()); }

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
