#include "retrieval/index/indexing.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/atomic_directory.h"
#include "base/file.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/measure.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "data/image/transform.h"
#include "retrieval/gallery/writer.h"
#include "retrieval/index/archive_items.h"
#include "retrieval/index/earlier.h"
#include "retrieval/index/index_place.h"
#include "retrieval/index/video_items.h"

namespace edgeclip {

namespace fs = std::filesystem;

void IndexOptions::validate(const std::string& where) const {
  const auto within = [&](const char* name, int value, int low, int high) {
    if (value < low || value > high)
      invalid_input("{}{}: {} is not within {}..{}", where, name, value, low, high);
  };
  within("producers", producers, 0, 256);
  within("consumers", consumers, 0, 256);
  within("batch", batch, 0, 4096);
  within("frame_step", frame_step, 0, 1000000);
  if (!(max_unreadable >= 0 && max_unreadable <= 100))
    invalid_input("{}max_unreadable: {} is no percentage (0 to 100)", where, max_unreadable);
  if (!schedule.empty() && schedule != "dynamic" && schedule != "static")
    invalid_input("{}schedule: \"{}\" is neither dynamic nor static", where, schedule);
  if (!schedule.empty() && mode != "auto" && mode != schedule)
    invalid_input("{}schedule: \"{}\" is another mode than \"{}\"; give one of the two", where, schedule, mode);
  parse_shard(shard);
}

namespace {

EncodeStreamOptions stream_options(const IndexOptions& options, bool video) {
  EncodeStreamOptions stream;
  stream.mode = options.mode;
  stream.threads = thread_count();
  stream.producers = options.producers;
  stream.consumers = options.consumers;
  stream.batch = options.batch;
  stream.one_reader = video;
  return stream;
}

/// One run: what is missing of a source goes through the pipeline into the gallery.
class Indexing {
 public:
  Indexing(Encoder& encoder, const ImageSource& source, const IndexOptions& options, GalleryWriter& writer)
      : encoder_(encoder),
        source_(source),
        options_(options),
        shard_(parse_shard(options.shard)),
        writer_(writer),
        list_(list_hash(source)),
        earlier_(writer.snapshot(), source, list_, options),
        stream_(encoder, stream_options(options, source.streamed())) {
    const auto total = static_cast<std::int64_t>(source.items.size());
    begin_ = shard_.begin(total);
    end_ = shard_.end(total);
  }

  void run(IndexReport& report) {
    look();
    Progress progress("indexing", source_.streamed() ? 0 : static_cast<std::int64_t>(wanted_.size()), "images");
    progress_ = &progress;
    if (source_.streamed() || !wanted_.empty())
      stream_.run([this] { return video() ? next_in_video() : archive_items_ ? next_in_archive() : next_image(); },
                  [this](std::vector<DecodedImage>& batch, const float* rows) { keep(batch, rows); });
    error_ = stream_.error();
    report.options.producers = stream_.shape().producers;
    report.options.consumers = stream_.shape().consumers;
    report.options.batch = stream_.shape().batch;
    report.trials = stream_.trials();
    stopped_ = interrupted();
    report.resumed = known_;
    report.replaced = static_cast<std::int64_t>(replaced_);
    report.indexed = known_ + kept_;
    for (auto& [index, failure] : failed_) report.failed.push_back(failure);
    std::vector<std::string> unreadable;
    for (const auto& [path, reason] : report.failed) unreadable.push_back(path);
    report.unchanged = kept_ == 0 && unreadable == left_out() && earlier_.complete() && !stopped_ && !error_ && !cut_off();
  }

  std::exception_ptr error() const { return error_; }
  bool stopped() const { return stopped_; }
  /// What the gallery says of the source from now on.
  void finish(const IndexReport& report) {
    GallerySource now = writer_.manifest().sources.at(static_cast<std::size_t>(*place_));
    now.complete = !stopped_ && !error_ && !cut_off();
    now.constant_rate = video() && now.complete && video_items_->even();
    now.left_out.clear();
    if (video() && now.complete)  // frames that the video does not have any more
      writer_.remove([&](const GallerySnapshot& gallery, std::int64_t place) {
        if (gallery.source_number(place) != *place_) return false;
        const GalleryItem item = gallery.item(place);
        return item.in_video && item.file_time != video_file_.file_time;
      });
    for (const auto& [path, reason] : report.failed) now.left_out.push_back(path);
    writer_.put_source(now, place_, 0);
  }
  /// Before the first row: numbers for what is to come, unless this list had them before.
  void begin() {
    if (place_) return;
    const std::optional<std::int32_t> place = earlier_.source();
    GallerySource now;
    if (place) now = writer_.manifest().sources[static_cast<std::size_t>(*place)];
    // The numbers of a run that did not end are used up in order by those that go on with it.
    const bool same_list = place && now.list == list_ && !now.complete;
    now.kind = source_.kind;
    now.path = source_.description;
    now.image_root = source_.image_root;
    now.shard = options_.shard;
    now.frame_step = video() ? options_.frame_step : 0;
    now.constant_rate = false;  // until all has been read
    now.list = list_;
    now.complete = false;
    constexpr std::uint64_t kMostFrames = (std::uint64_t{1} << 32) * kMostBoxes;
    const std::int32_t put = writer_.put_source(now, place, same_list ? 0 : source_.streamed() ? kMostFrames : source_.items.size() + 1);
    first_item_ = writer_.manifest().sources[static_cast<std::size_t>(put)].first_item;
    place_ = put;  // last: what fails before is tried again by the next batch
  }

 private:
  bool video() const { return source_.kind == "video"; }
  bool cut_off() const { return (video_items_ && video_items_->cut_off()) || (archive_items_ && archive_items_->cut_off()); }
  std::vector<std::string> left_out() const {
    return earlier_.source() ? writer_.manifest().sources[static_cast<std::size_t>(*earlier_.source())].left_out : std::vector<std::string>();
  }

  /// What is to be encoded, and what is there already.
  void look() {
    if (video()) {
      video_file_ = source_.video_item;
      note_file(source_.video, video_file_);
      video_items_.emplace(source_, shard_, options_.frame_step, video_file_);
      return;
    }
    if (source_.streamed()) {
      archive_items_.emplace(source_, shard_);
      return;
    }
    for (std::int64_t i = begin_; i < end_; ++i) {
      if (i % 4096 == 0) throw_if_interrupted();
      GalleryItem item = source_.items[static_cast<std::size_t>(i)];
      note_file(source_.image_root / item.path, item);
      if (wants(i, item)) wanted_.push_back(i);
    }
  }

  /// The work on one item: load(item) gives the image as the encoder takes it, and may note more of the item; what it refuses is left out.
  template <class Load>
  DecodePipeline::Decode work_on(std::int64_t index, GalleryItem item, Load load) {
    return [this, index, item = std::move(item), load = std::move(load)](DecodedImage& decoded) mutable {
      try {
        decoded = {index, load(item)};
      } catch (const InvalidInput& error) {
        fail(index, item.in_video ? shown_path(item) : item.path, error.what());
        return false;
      }
      const std::lock_guard lock(mutex_);
      decoded_.emplace(index, std::move(item));
      return true;
    };
  }

  DecodePipeline::Decode next_image() {
    if (taken_ == wanted_.size()) return {};
    const std::int64_t index = wanted_[taken_++];
    return work_on(index, source_.items[static_cast<std::size_t>(index)], [this, index](GalleryItem& item) {
      const fs::path file = source_.image_root / item.path;
      if (find_invalid_utf8(item.path) != std::string::npos)
        invalid_input("image {}: its name is not valid UTF-8; rename the file", index + 1);
      note_file(file, item);  // before it is read: what is changed meanwhile is seen the next time
      const ImageTransform& transform = encoder_.card().image;
      return item.box.whole() ? load_image(file, transform) : part_for_encoder(read_image(file, read_options(transform, true)), item, file.string());
    });
  }

  Image part_for_encoder(const Image& whole, const GalleryItem& item, const std::string& where) const {
    return transform_geometry(part_of(whole, item.box, where), encoder_.card().image);
  }

  /// Reads on to the next frame; another thread makes of it, or of a box of it, what the encoder takes.
  DecodePipeline::Decode next_in_video() {
    auto wanted = video_items_->next([this](std::int64_t index, const GalleryItem& item) { return wants(index, item); });
    if (!wanted) return {};
    return work_on(wanted->index, std::move(wanted->item), [this, frame = wanted->frame](const GalleryItem& item) {
      return item.box.whole() ? transform_geometry(*frame, encoder_.card().image) : part_for_encoder(*frame, item, shown_path(item));
    });
  }

  /// Reads the next file; another thread decodes it.
  DecodePipeline::Decode next_in_archive() {
    auto wanted = archive_items_->next([this](std::int64_t index, const GalleryItem& item) { return wants(index, item); });
    if (!wanted) return {};
    return work_on(wanted->index, std::move(wanted->item), [this, bytes = std::move(wanted->bytes)](const GalleryItem& item) {
      return load_image(bytes, (source_.image_root / item.path).string(), encoder_.card().image);
    });
  }

  /// Whether an item is to be encoded.
  bool wants(std::int64_t index, const GalleryItem& item) {
    const auto known = earlier_.find(item);
    if (known && known->current) {
      ++known_;
      return false;
    }
    if (!known) return true;
    const std::lock_guard lock(mutex_);
    replaces_.emplace(index, known->number);
    return true;
  }

  void fail(std::int64_t index, std::string path, const std::string& reason) {
    spdlog::warn("left out: {}", reason);
    for (std::size_t bad; (bad = find_invalid_utf8(path)) != std::string::npos;) path[bad] = '?';
    const std::lock_guard lock(mutex_);
    failed_.emplace(index, std::pair(std::move(path), reason));
    progress_->advance();
  }

  /// The stream's sink.
  void keep(std::vector<DecodedImage>& batch, const float* rows) {
    begin();
    std::vector<NumberedItem> items;
    std::vector<std::uint64_t> replaced;
    {
      const std::lock_guard lock(mutex_);
      for (const DecodedImage& image : batch) {
        std::uint64_t number = first_item_ + static_cast<std::uint64_t>(image.index);
        if (const auto old = replaces_.find(image.index); old != replaces_.end()) {
          replaced.push_back(old->second);
          number = writer_.new_number();
        }
        items.push_back({number, *place_, std::move(decoded_.extract(image.index).mapped())});
      }
    }
    writer_.append(items, rows, replaced);
    kept_ += static_cast<std::int64_t>(items.size());
    replaced_ += replaced.size();
    const DecodePipeline::Fill fill = stream_.fill();
    progress_->advance(static_cast<std::int64_t>(items.size()), fmt::format("{} of {} decoded wait", fill.queued, fill.room));
  }

  Encoder& encoder_;
  const ImageSource& source_;
  const IndexOptions& options_;
  const Shard shard_;
  GalleryWriter& writer_;
  const std::string list_;
  const EarlierIndex earlier_;
  EncodeStream stream_;
  std::int64_t begin_ = 0, end_ = 0;
  std::vector<std::int64_t> wanted_;
  std::size_t taken_ = 0;  ///< of them
  std::optional<std::int32_t> place_;
  std::uint64_t first_item_ = 0;
  GalleryItem video_file_;
  std::optional<VideoItems> video_items_;
  std::optional<ArchiveItems> archive_items_;
  std::mutex mutex_;
  std::map<std::int64_t, GalleryItem> decoded_;  ///< on their way to the encoder
  std::map<std::int64_t, std::pair<std::string, std::string>> failed_;
  std::map<std::int64_t, std::uint64_t> replaces_;  ///< by place in the source, numbers of what goes
  std::int64_t known_ = 0, kept_ = 0;
  std::size_t replaced_ = 0;
  bool stopped_ = false;
  std::exception_ptr error_;
  Progress* progress_ = nullptr;
};

}  // namespace

IndexReport index_images(Encoder& encoder, const ImageSource& source, const fs::path& out, const IndexOptions& options) {
  options.validate("");
  IndexReport report;
  report.options = options;
  if (!options.schedule.empty()) report.options.mode = options.schedule;
  if (options.frame_step == 0) report.options.frame_step = source.with_boxes ? 1 : 10;
  report.threads = thread_count();
  report.embedding_dim = encoder.card().embedding_dim;
  const fs::path place = index_place(encoder, source, out, options);
  const bool fresh = !fs::exists(place / kGalleryFile);
  if (fresh) require_replaceable(place, kGalleryFile, FolderRules{false, {source.image_root}});

  const Stopwatch clock;
  std::exception_ptr error;
  {
    GalleryWriter writer(place, manifest_for(encoder));
    writer.made_by(encoder);
    try {
      if (source.kind == "video" && !source.with_boxes) spdlog::info("{}: whole frames are indexed, not the people in them (--boxes)", source.description);
      Indexing run(encoder, source, report.options, writer);
      run.run(report);
      error = run.error();
      report.seconds = clock.seconds();
      const bool none = report.indexed == 0;
      if (!error && run.stopped()) error = std::make_exception_ptr(Interrupted("interrupted"));
      if (!error && none && !report.failed.empty())
        invalid_input("{}: none of its {} images can be read; the first: {}", source.description, report.failed.size(),
                      report.failed.front().second);
      if (!error && report.unchanged) {
        spdlog::info("{}: holds these images already", place.string());
      } else if (!(error && none)) {
        run.begin();
        writer.seal();
        run.finish(report);
        write_failed(place, source.description, report);
      }
    } catch (...) {
      if (!error) error = std::current_exception();
    }
    report.images = writer.manifest().size();
    if (error) writer.discard();  // unless something is in it
  }
  if (error) {
    if (report.images > 0) {
      spdlog::warn("{} holds the {} images finished so far; the same command goes on from there", place.string(), report.images);
    }
    std::rethrow_exception(error);
  }
  if (output_place(place) != output_place(out)) replace_with_partial(out, kGalleryFile);
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
  Json json = {{"indexed", report.indexed},
          {"resumed", report.resumed},
          {"replaced", report.replaced},
          {"unchanged", report.unchanged},
          {"unreadable_percent", report.unreadable()},
          {"failed", report.failed.size()},
          {"failures", failures},
          {"seconds", report.seconds},
          {"images_per_s", report.seconds > 0 ? static_cast<double>(encoded) / report.seconds : 0.0},
          {"embedding_dim", report.embedding_dim},
          {"mode", report.options.mode},
          {"schedule", report.options.mode == "static" ? "static" : "dynamic"},
          {"threads", report.threads},
          {"producers", report.options.producers},
          {"consumers", report.options.consumers},
          {"batch", report.options.batch},
          {"shard", report.options.shard},
          {"images", report.images}};
  if (report.options.mode != "auto") return json;
  json["trials"] = Json::array();
  for (const auto& [setting, rate] : report.trials)
    json["trials"].push_back({{"consumers", setting.concurrent}, {"batch", setting.batch}, {"images_per_s", rate}});
  return json;
}

}  // namespace edgeclip
