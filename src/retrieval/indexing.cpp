#include "retrieval/indexing.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "base/artifact.h"
#include "base/atomic_directory.h"
#include "base/file.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/measure.h"
#include "base/progress.h"
#include "base/queue.h"
#include "base/signals.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "data/image/transform.h"
#include "retrieval/earlier_index.h"
#include "retrieval/encode.h"
#include "retrieval/index_results.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

class Pipeline {
 public:
  Pipeline(Encoder& encoder, const ImageSource& source, const IndexOptions& options)
      : encoder_(encoder),
        source_(source),
        options_(options),
        shard_(parse_shard(options.shard)),
        results_(encoder.card().embedding_dim) {
    const auto total = static_cast<std::int64_t>(source.items.size());
    begin_ = shard_.begin(total);
    end_ = shard_.end(total);
    next_ = begin_;
    // With a dynamic schedule all consumers share one queue; with a static one each has its own.
    const int queues = dynamic() ? 1 : options.consumers;
    for (int q = 0; q < queues; ++q)
      queues_.push_back(std::make_unique<BoundedQueue<Sample>>(static_cast<std::size_t>(2 * options.batch)));
  }

  /// Before run(): what an earlier run encoded is not encoded again.
  void resume(const Gallery& earlier) {
    std::map<std::string, std::int64_t> row_of;
    for (std::int64_t row = 0; row < earlier.size(); ++row)
      row_of.emplace(earlier.items[static_cast<std::size_t>(row)].path, row);
    const auto add = [&](std::int64_t index, std::int64_t row) {
      const GalleryItem& item = source_.kind == "video" ? earlier.items[static_cast<std::size_t>(row)]
                                                        : source_.items[static_cast<std::size_t>(index)];
      results_.add_known(index, item, earlier.embeddings.data<float>() + row * earlier.embedding_dim);
    };
    if (source_.kind == "video") {
      for (const auto& [path, row] : row_of) add(earlier.items[static_cast<std::size_t>(row)].frame, row);
    } else {
      for (std::int64_t i = begin_; i < end_; ++i)
        if (const auto at = row_of.find(source_.items[static_cast<std::size_t>(i)].path); at != row_of.end())
          add(i, at->second);
    }
  }

  /// Returns when all is done, a signal has come, or something failed: error() then says what.
  void run() {
    Progress progress("indexing", source_.kind == "video" ? 0 : end_ - begin_ - results_.known(), "images");
    progress_ = &progress;
    std::vector<std::jthread> producers, consumers;  // join, also when another thread cannot be started
    guarded([&] {
      for (int c = 0; c < options_.consumers; ++c)
        consumers.emplace_back([this, c] { guarded([&] { consume(c); }); });
      const int count = source_.kind == "video" ? 1 : options_.producers;
      for (int p = 0; p < count; ++p)
        producers.emplace_back(
            [this, p] { guarded([&] { source_.kind == "video" ? produce_frames() : produce(p); }); });
    });
    for (auto& thread : producers) thread.join();
    close();
    for (auto& thread : consumers) thread.join();
  }

  std::exception_ptr error() const { return error_; }

  IndexResults& results() { return results_; }
  /// The video ended before its time.
  bool cut_off() const { return cut_off_; }

 private:
  bool dynamic() const { return options_.schedule == "dynamic"; }
  bool stopping() const { return stopped_ || interrupted(); }

  void close() {
    for (auto& queue : queues_) queue->close();
  }

  /// The first exception of any thread ends all; error() has it.
  void guarded(const std::function<void()>& body) {
    try {
      body();
    } catch (...) {
      std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
      stopped_ = true;
      close();
    }
  }

  void push(Sample sample) {
    // Static: image i belongs to producer i mod P and consumer (i / P) mod C, counted from the shard's first.
    const std::int64_t at = (sample.index - begin_) / options_.producers;
    const std::size_t q = dynamic() ? 0 : static_cast<std::size_t>(at % options_.consumers);
    queues_[q]->push(std::move(sample));
  }

  /// image: as transform_geometry() gives it.
  void prepare(const Image& image, Sample& sample) {
    const ImageTransform& transform = encoder_.card().image;
    sample.pixels.resize(3u * static_cast<std::size_t>(transform.height) *
                         static_cast<std::size_t>(transform.width));
    normalize_pixels(image, transform, false, sample.pixels.data());
  }

  void produce(int producer) {
    std::int64_t i = dynamic() ? next_++ : begin_ + producer;
    for (; i < end_ && !stopping(); i = dynamic() ? next_++ : i + options_.producers) {
      if (results_.is_known(i)) continue;
      Sample sample;
      sample.index = i;
      sample.item = source_.items[static_cast<std::size_t>(i)];
      try {
        if (find_invalid_utf8(sample.item.path) != std::string::npos)
          invalid_input("image {}: its name is not valid UTF-8; rename the file", i + 1);
        prepare(load_image(source_.image_root / sample.item.path, encoder_.card().image), sample);
      } catch (const InvalidInput& error) {
        results_.fail(i, sample.item.path, error.what());
        progress_->advance();
        continue;
      }
      push(std::move(sample));
    }
  }

  void produce_frames() {
    VideoReader reader(source_.video);
    const std::int64_t total = reader.frame_count();
    if (shard_.count > 1 && total < 1)
      invalid_input("{}: does not say how many frames it has; index it without shards",
                    source_.video.string());
    const std::int64_t first = shard_.count > 1 ? shard_.begin(total) : 0;
    Image image;
    std::int64_t frame = 0;
    for (; !stopping() && reader.next(&image); ++frame) {
      if (shard_.count > 1 && shard_.index < shard_.count && frame >= shard_.end(total)) break;
      if (frame < first || frame % options_.frame_step != 0 || results_.is_known(frame)) continue;
      Sample sample;
      sample.index = frame;
      sample.item = {frame_path(source_.video.filename().string(), frame), -1, frame};
      prepare(transform_geometry(image, encoder_.card().image), sample);
      push(std::move(sample));
    }
    // Containers may be a little off in what they say; a file that was cut off is far off.
    const std::int64_t expected = shard_.count > 1 ? shard_.end(total) : total;
    if (!stopping() && frame < expected - expected / 100 - 1) {
      spdlog::warn("{}: ends at frame {} of {}: the file is cut off; the gallery is marked as incomplete",
                   source_.video.string(), frame, total);
      cut_off_ = true;
    }
  }

  void consume(int consumer) {
    BoundedQueue<Sample>& queue = *queues_[dynamic() ? 0 : static_cast<std::size_t>(consumer)];
    std::vector<Sample> batch;
    while (auto sample = queue.pop()) {
      batch.push_back(std::move(*sample));
      if (static_cast<int>(batch.size()) == options_.batch) encode(batch);
    }
    if (!stopped_) encode(batch);
  }

  void encode(std::vector<Sample>& batch) {
    if (batch.empty()) return;
    const ImageTransform& transform = encoder_.card().image;
    const auto count = static_cast<std::int64_t>(batch.size());
    Tensor pixels(DType::f32, {count, 3, transform.height, transform.width});
    float* out = pixels.data<float>();
    for (const Sample& sample : batch) out = std::copy(sample.pixels.begin(), sample.pixels.end(), out);
    const Tensor rows = encoder_.encode_images(pixels.view());
    check_embeddings(rows, count, encoder_);
    results_.add(batch, rows.data<float>());
    progress_->advance(count);
    batch.clear();
  }

  Encoder& encoder_;
  const ImageSource& source_;
  const IndexOptions& options_;
  const Shard shard_;
  IndexResults results_;
  std::vector<std::unique_ptr<BoundedQueue<Sample>>> queues_;
  std::int64_t begin_ = 0, end_ = 0;
  std::atomic<std::int64_t> next_{0};
  std::atomic<bool> stopped_{false};
  bool cut_off_ = false;
  std::mutex error_mutex_;
  std::exception_ptr error_;
  Progress* progress_ = nullptr;
};

}  // namespace

void IndexOptions::validate(const std::string& where) const {
  const auto within = [&](const char* name, int value, int low, int high) {
    if (value < low || value > high)
      invalid_input("{}{}: {} is not within {}..{}", where, name, value, low, high);
  };
  within("producers", producers, 0, 256);
  within("consumers", consumers, 1, 256);
  within("batch", batch, 1, 4096);
  within("frame_step", frame_step, 1, 1000000);
  if (!(max_unreadable >= 0 && max_unreadable <= 100))
    invalid_input("{}max_unreadable: {} is no percentage (0 to 100)", where, max_unreadable);
  if (schedule != "dynamic" && schedule != "static")
    invalid_input("{}schedule: \"{}\" is neither dynamic nor static", where, schedule);
  parse_shard(shard);
}

namespace {

/// The report of a gallery that needs nothing.
IndexReport unchanged(const Gallery& gallery, IndexReport report) {
  spdlog::info("{}: holds these images already", gallery.directory.string());
  report.unchanged = true;
  report.indexed = report.resumed = gallery.size();
  for (const std::string& path : gallery.left_out)
    report.failed.emplace_back(path, "could not be read when it was indexed");
  return report;
}

}  // namespace

IndexReport index_images(Encoder& encoder, const ImageSource& source, const std::filesystem::path& out,
                         const IndexOptions& options) {
  options.validate("");
  IndexReport report;
  report.options = options;
  report.options.batch = std::max(1, std::min(options.batch, encoder.max_batch()));
  if (source.kind == "video")
    report.options.producers = 1;
  else if (options.producers == 0)
    report.options.producers = thread_count();
  report.embedding_dim = encoder.card().embedding_dim;
  Gallery gallery = gallery_for(encoder);
  gallery.image_root = source.image_root;
  gallery.source = {{"path", source.description}, {"kind", source.kind}, {"shard", options.shard}};
  if (source.kind == "video") gallery.source["frame_step"] = options.frame_step;

  const fs::path partial = output_place(out).string() + ".partial";
  const auto earlier_at = [&](const fs::path& place) {
    return earlier_index(encoder, source, parse_shard(options.shard), gallery.source, place);
  };
  EarlierIndex earlier;
  if (!options.overwrite) earlier = earlier_at(out);
  for (const fs::path& place : {out, partial}) {
    if (!options.overwrite || earlier.gallery) break;
    try {
      if (EarlierIndex begun = earlier_at(place); begun.gallery && !begun.finished)
        earlier = std::move(begun);
    } catch (const InvalidInput&) {  // another gallery, which is to go
    }
  }
  if (earlier.finished) return unchanged(*earlier.gallery, std::move(report));
  const bool resuming = earlier.gallery.has_value();
  std::optional<AtomicDirectory> folder(std::in_place, out, kGalleryFile,
                                        FolderRules{options.overwrite || resuming, {source.image_root}});

  if (source.kind == "video")
    spdlog::info("{}: whole frames are indexed, not the people in them", source.description);
  const Stopwatch clock;
  Pipeline pipeline(encoder, source, report.options);
  if (resuming) pipeline.resume(*earlier.gallery);
  pipeline.run();
  report.seconds = clock.seconds();
  // Read once: what is written and what is thrown must agree.
  const bool stopped = interrupted();
  const std::exception_ptr error = pipeline.error();
  if (error && !is_machine_fault(error)) std::rethrow_exception(error);

  gallery.complete = !stopped && !error && !pipeline.cut_off();
  pipeline.results().finish(gallery, report);
  if (gallery.items.empty()) {
    if (error) std::rethrow_exception(error);
    if (stopped) throw Interrupted("interrupted");
    if (!report.failed.empty())
      invalid_input("{}: none of its {} images can be read; the first: {}", source.description,
                    report.failed.size(), report.failed.front().second);
    invalid_input("{}: holds no image of shard {}", source.description, options.shard);
  }
  fs::path place = out;
  if ((stopped || error) && is_artifact_head(out / kGalleryFile) &&
      !(resuming && output_place(earlier.gallery->directory) == output_place(out))) {  // which stays
    folder.reset();
    place = partial;
    folder.emplace(place, kGalleryFile, FolderRules{true});
  }
  write_gallery(*folder, gallery);
  if (stopped || error)
    spdlog::warn("{} holds the {} images finished so far; the same command goes on from there",
                 place.string(), gallery.size());
  if (error) std::rethrow_exception(error);
  if (stopped) throw Interrupted("interrupted");
  if (resuming && output_place(earlier.gallery->directory) == partial) fs::remove_all(partial);
  return report;
}

double IndexReport::unreadable() const {
  const auto all = static_cast<double>(indexed) + static_cast<double>(failed.size());
  return all > 0 ? 100 * static_cast<double>(failed.size()) / all : 0;
}

Json to_json(const IndexReport& report) {
  Json failures = Json::array();
  for (const auto& [path, reason] : report.failed) failures.push_back({{"path", path}, {"reason", reason}});
  const std::int64_t encoded = report.indexed - report.resumed;
  return {{"indexed", report.indexed},
          {"resumed", report.resumed},
          {"unchanged", report.unchanged},
          {"unreadable_percent", report.unreadable()},
          {"failed", report.failed.size()},
          {"failures", failures},
          {"seconds", report.seconds},
          {"images_per_s", report.seconds > 0 ? static_cast<double>(encoded) / report.seconds : 0.0},
          {"embedding_dim", report.embedding_dim},
          {"schedule", report.options.schedule},
          {"producers", report.options.producers},
          {"consumers", report.options.consumers},
          {"batch", report.options.batch},
          {"shard", report.options.shard}};
}

}  // namespace edgeclip
