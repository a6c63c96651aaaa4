#include "retrieval/gallery/writer.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_set>

#include "base/atomic_directory.h"
#include "base/file.h"
#include "base/flush.h"
#include "base/log.h"
#include "base/mapped_file.h"
#include "base/signals.h"
#include "retrieval/gallery/journal.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// A gallery is there already, or may be made there.
fs::path gallery_place(const fs::path& directory, bool may_create) {
  const fs::path place = output_place(directory);
  if (!may_create) gallery_format(directory);
  if (fs::exists(place / kGalleryFile)) return place;
  std::error_code error;
  if (fs::is_directory(place, error) &&  // of a writer that was killed before it had written the first gallery.json
      std::all_of(fs::directory_iterator(place), fs::directory_iterator(), [](const auto& entry) { return is_temporary(entry.path().filename()); }))
    sweep_leftovers(place);
  require_replaceable(place, kGalleryFile);
  return place;
}

bool is_number(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

/// PREFIX NUMBER ENDING.
bool is_numbered(const std::string& name, std::string_view prefix, std::string_view ending) {
  return name.size() > prefix.size() + ending.size() && name.starts_with(prefix) && name.ends_with(ending) &&
         is_number(std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - ending.size()));
}

/// Parts of one list are of that list, and different ones.
void require_fitting_source(const GallerySource& source, const std::vector<GallerySource>& others, const std::string& where) {
  const auto parts = [](const GallerySource& s) { return s.shard.substr(s.shard.find('/')); };
  for (const GallerySource& other : others) {
    // Two folders may well have files of the same names.
    if (other.kind != source.kind || output_place(other.image_root) != output_place(source.image_root)) continue;
    const bool same_list = !source.list.empty() && other.list == source.list;
    if (same_list && (other.shard == source.shard || other.shard == "1/1" || source.shard == "1/1"))
      invalid_input("{}: part {} of {} is there already, as {} of {}", where, source.shard, source.path, other.shard, other.path);
    const bool both_parts = source.shard != "1/1" && other.shard != "1/1";
    if ((same_list && parts(other) != parts(source)) || (both_parts && !same_list && output_place(other.path) == output_place(source.path)))
      invalid_input("{}: is part {} of {}, which had other images, or was divided otherwise, when part {} was made of it; index the parts again, of one state",
                    where, source.shard, source.path, other.shard);
  }
}

}  // namespace

void require_mergeable(const GalleryManifest& into, const std::string& name, const std::vector<GallerySnapshot>& others) {
  std::vector<GallerySource> sources = into.sources;
  for (const GallerySnapshot& other : others) {
    const std::string where = other.directory().string();
    if (other.manifest().embedding_space != into.embedding_space || other.manifest().embedding_dim != into.embedding_dim)
      invalid_input("{}: was made with another model ({}, {}) than {}; index its images again with the same one", where,
                    other.manifest().model_name, other.manifest().embedding_space, name);
    const std::vector<GallerySource> before = sources;  // a gallery's own sources fit each other
    for (const GallerySource& source : other.manifest().sources) {
      require_fitting_source(source, before, where);
      sources.push_back(source);
    }
  }
}

GalleryWriter::GalleryWriter(const fs::path& directory, const std::optional<GalleryManifest>& fresh, const SealRules& rules)
    : directory_(gallery_place(directory, fresh.has_value())), rules_(rules), made_folder_(!fs::exists(directory_)), claim_(directory_) {
  if (fs::exists(directory_ / kGalleryFile)) {
    if (gallery_format(directory_) == 1)
      invalid_input("{}: is of format 1, which cannot grow; bring it over with edgeclip-edge gallery upgrade --gallery {}", directory.string(),
                    directory.string());
    manifest_ = read_manifest(directory_);
    if (fresh && (manifest_.embedding_space != fresh->embedding_space || manifest_.embedding_dim != fresh->embedding_dim))
      invalid_input("{}: was made with another model ({}, {}); replace it with --overwrite, or choose another --out", directory.string(),
                    manifest_.model_name, manifest_.embedding_space);
  } else {
    manifest_ = *fresh;
    fs::create_directories(directory_);
    publish();
    made_gallery_ = true;
  }
  sweep();
  recover();
}

GalleryWriter::~GalleryWriter() {
  std::error_code error;
  if (journal_ && journal_->bytes() == 0) fs::remove(journal_file(), error);
}

bool GalleryWriter::empty() const {
  std::lock_guard lock(mutex_);
  return manifest_.size() == 0 && journal_->bytes() == 0;
}

void GalleryWriter::discard() {
  if (!made_gallery_ || !empty()) return;
  journal_.reset();
  std::error_code error;
  for (const fs::path& own : {fs::path(kGalleryFile), fs::path("segments"), journal_file().filename()}) fs::remove_all(directory_ / own, error);
  if (made_folder_) fs::remove(directory_, error);  // unless something else lies in it
}

/// Of the segment that it becomes: once a manifest names that, the journal is of the past.
fs::path GalleryWriter::journal_file() const { return directory_ / fmt::format("journal-{}.log", segment_name(manifest_.next_segment)); }

void GalleryWriter::open_journal() {
  journal_.reset();
  journal_ = std::make_unique<AppendLog>(journal_file(), [](std::string_view) {});
}

/// Removes what no gallery.json names, of names that a writer gives.
void GalleryWriter::sweep() {
  std::map<std::string, std::string> live;
  for (const SegmentEntry& segment : manifest_.segments) live[segment.name] = segment.live;
  std::error_code error;
  std::vector<fs::path> gone;
  for (const auto& entry : fs::directory_iterator(directory_ / "segments", error)) {
    const std::string name = entry.path().filename().string();
    if (live.count(name) == 0) {
      if (is_number(name)) gone.push_back(entry.path());
      continue;
    }
    for (const auto& file : fs::directory_iterator(entry.path(), error))
      if (const std::string of = file.path().filename().string(); is_numbered(of, "live-", ".npy") && of != live[name])
        gone.push_back(file.path());
  }
  for (const auto& entry : fs::directory_iterator(directory_, error))
    if (is_numbered(entry.path().filename().string(), "journal-", ".log") && entry.path() != journal_file()) gone.push_back(entry.path());
  for (const fs::path& path : gone) fs::remove_all(path, error);
}

void GalleryWriter::recover() {
  const std::int64_t dim = manifest_.embedding_dim;
  std::int64_t rows = 0;
  journal_ = std::make_unique<AppendLog>(journal_file(), [&](std::string_view record) {
    const JournalRecord read = read_journal_record(record, dim, journal_file().string());
    rows += static_cast<std::int64_t>(read.items.size());
    for (const NumberedItem& item : read.items) manifest_.next_item = std::max(manifest_.next_item, item.number + 1);
  });
  if (rows > 0) spdlog::info("{}: {} images that an earlier run had encoded are taken up", directory_.string(), rows);
  seal_locked();
}

void GalleryWriter::publish() {
  ++manifest_.generation;
  write_manifest(directory_, manifest_);
}

void GalleryWriter::made_by(const Encoder& encoder) {
  std::lock_guard lock(mutex_);
  model_hash_ = encoder.model_hash();
  precision_ = encoder.precision();
}

std::int32_t GalleryWriter::put_source(const GallerySource& source, std::optional<std::int32_t> place, std::uint64_t items) {
  std::lock_guard lock(mutex_);
  change([&] {
    if (!place) {
      place = static_cast<std::int32_t>(manifest_.sources.size());
      manifest_.sources.push_back(source);
    } else {
      manifest_.sources.at(static_cast<std::size_t>(*place)) = source;
    }
    if (items > 0) {
      manifest_.sources[static_cast<std::size_t>(*place)].first_item = manifest_.next_item;
      manifest_.next_item += items;
    }
  });
  return *place;
}

std::uint64_t GalleryWriter::new_number() {
  std::lock_guard lock(mutex_);
  return manifest_.next_item++;
}

void GalleryWriter::append(const std::vector<NumberedItem>& items, const float* rows, const std::vector<std::uint64_t>& replaced) {
  if (items.empty()) return;
  std::lock_guard lock(mutex_);
  journal_->append(journal_record(items, rows, manifest_.embedding_dim, replaced, model_hash_, precision_));
  constexpr double kSyncSeconds = 5;  // what a power cut takes at most; a kill takes nothing
  if (since_sync_.seconds() >= kSyncSeconds) {
    journal_->sync();
    since_sync_ = Stopwatch();
  }
  if (journal_->bytes() >= rules_.journal_bytes || since_seal_.seconds() >= rules_.seconds) seal_locked();
}

void GalleryWriter::seal() {
  std::lock_guard lock(mutex_);
  seal_locked();
}

void GalleryWriter::add_segment(const std::vector<NumberedItem>& items, const std::function<void(std::int64_t, float*)>& read_row) {
  SegmentEntry entry = write_segment(directory_, manifest_, segment_name(manifest_.next_segment), items, read_row);
  entry.model_hash = model_hash_;
  entry.precision = precision_;
  manifest_.segments.push_back(std::move(entry));
  ++manifest_.next_segment;
}

void GalleryWriter::change(const std::function<void()>& make) {
  const GalleryManifest before = manifest_;
  const std::string hash = model_hash_, precision = precision_;
  const fs::path journal = journal_file();
  const auto end = [&] {
    model_hash_ = hash;
    precision_ = precision;
    sweep();
    if (journal != journal_file()) open_journal();
  };
  try {
    make();
    fs::create_directories(directory_ / "segments");
    flush_parents(directory_ / "segments" / "any", directory_ / "segments");
    publish();
  } catch (...) {
    // gallery.json may have been replaced all the same: what fails behind the renaming is the flushing of its folder.  What it names stays.
    const GalleryManifest there = read_manifest(directory_);
    if (there.generation == before.generation) manifest_ = before;
    end();
    throw;
  }
  end();
}

void GalleryWriter::seal_locked() {
  since_seal_ = Stopwatch();
  if (journal_->bytes() == 0) return;
  const std::int64_t dim = manifest_.embedding_dim;
  struct Row {
    NumberedItem item;
    const float* at;
  };
  std::vector<Row> rows;
  std::unordered_set<std::uint64_t> replaced;
  std::string hash, precision;
  const MappedFile file(journal_file());
  AppendLog::each({reinterpret_cast<const char*>(file.data()), file.size()}, [&](std::string_view record) {
    JournalRecord read = read_journal_record(record, dim, journal_file().string());
    for (std::size_t i = 0; i < read.items.size(); ++i)
      rows.push_back({std::move(read.items[i]), read.rows + static_cast<std::int64_t>(i) * dim});
    replaced.insert(read.replaced.begin(), read.replaced.end());
    hash = rows.size() == read.items.size() || hash == read.model_hash ? read.model_hash : "";
    precision = rows.size() == read.items.size() || precision == read.precision ? read.precision : "";
  });
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.item.number < b.item.number; });
  std::vector<NumberedItem> items;
  items.reserve(rows.size());
  for (Row& row : rows) items.push_back(std::move(row.item));
  change([&] {
    if (!replaced.empty())
      take_out([&](const Segment& segment, std::int64_t row) { return replaced.count(segment.items.number(row)) != 0; });
    model_hash_ = hash;
    precision_ = precision;
    add_segment(items, [&](std::int64_t row, float* to) {
      std::memcpy(to, rows[static_cast<std::size_t>(row)].at, static_cast<std::size_t>(dim) * sizeof(float));
    });
  });
}

void GalleryWriter::take_out(const std::function<bool(const Segment&, std::int64_t)>& which) {
  for (SegmentEntry& entry : manifest_.segments) {
    const Segment segment = open_segment(directory_, manifest_, entry, FileCheck::kSizes);
    std::vector<std::uint64_t> live = all_live(entry.rows);
    if (segment.live.defined()) std::copy_n(segment.live.data<std::uint64_t>(), live.size(), live.begin());
    std::int64_t taken = 0;
    for (std::int64_t row = 0; row < entry.rows; ++row)
      if (segment.is_live(row) && which(segment, row)) {
        live[static_cast<std::size_t>(row / 64)] &= ~(std::uint64_t{1} << (row % 64));
        ++taken;
      }
    if (taken > 0) write_live(directory_, entry, live, manifest_.generation + 1);
  }
}

std::int64_t GalleryWriter::remove(const std::function<bool(const GallerySnapshot&, std::int64_t)>& which) {
  std::lock_guard lock(mutex_);
  seal_locked();
  const GallerySnapshot now = open_gallery(directory_);
  std::unordered_set<std::uint64_t> numbers;
  now.each([&](std::int64_t place) {
    if (which(now, place)) numbers.insert(now.number(place));
  });
  if (numbers.empty()) return 0;
  change([&] { take_out([&](const Segment& segment, std::int64_t row) { return numbers.count(segment.items.number(row)) != 0; }); });
  return static_cast<std::int64_t>(numbers.size());
}

void GalleryWriter::compact(DType rows) {
  std::lock_guard lock(mutex_);
  seal_locked();
  const GallerySnapshot now = open_gallery(directory_);
  std::vector<std::int64_t> places;
  now.each([&](std::int64_t place) { places.push_back(place); });
  std::sort(places.begin(), places.end(), [&](std::int64_t a, std::int64_t b) { return now.number(a) < now.number(b); });
  std::vector<NumberedItem> items;
  items.reserve(places.size());
  for (const std::int64_t place : places)
    items.push_back({now.number(place), now.source_number(place), now.item(place)});
  const auto common = [&](std::string SegmentEntry::* what) {  // of one encoder, or not known
    std::string value = now.segments().empty() ? "" : now.segments()[0].entry.*what;
    for (const Segment& segment : now.segments())
      if (segment.entry.*what != value) value.clear();
    return value;
  };
  change([&] {
    model_hash_ = common(&SegmentEntry::model_hash);
    precision_ = common(&SegmentEntry::precision);
    manifest_.segments.clear();
    manifest_.rows = rows;
    if (items.empty()) return;
    add_segment(items, [&](std::int64_t row, float* to) {
      if (row % 65536 == 0) throw_if_interrupted();
      now.read_row(places[static_cast<std::size_t>(row)], to);
    });
  });
}

void GalleryWriter::merge(const std::vector<GallerySnapshot>& others) {
  std::lock_guard lock(mutex_);
  require_mergeable(manifest_, directory_.string(), others);
  seal_locked();
  change([&] {
    for (const GallerySnapshot& other : others) merge_one(other);
  });
}

void GalleryWriter::merge_one(const GallerySnapshot& other) {
  const auto first_source = static_cast<std::int32_t>(manifest_.sources.size());
  const std::uint64_t first_item = manifest_.next_item;
  for (GallerySource source : other.manifest().sources) {
    source.first_item += first_item;
    manifest_.sources.push_back(std::move(source));
  }
  manifest_.next_item += other.manifest().next_item;
  for (const Segment& segment : other.segments()) {
    std::vector<NumberedItem> items;
    std::vector<std::int64_t> rows;
    for (std::int64_t row = 0; row < segment.entry.rows; ++row)
      if (segment.is_live(row)) {
        const std::int32_t source = segment.items.source(row);
        if (source < 0 || static_cast<std::size_t>(source) >= other.manifest().sources.size() ||
            segment.items.number(row) >= other.manifest().next_item)
          invalid_input("{}: segment {}: row {} is of no source or number that was given out; index the images again",
                        other.directory().string(), segment.entry.name, row);
        items.push_back({first_item + segment.items.number(row), first_source + segment.items.source(row), segment.items.item(row)});
        rows.push_back(row);
      }
    if (items.empty()) continue;
    model_hash_ = segment.entry.model_hash;
    precision_ = segment.entry.precision;
    add_segment(items, [&](std::int64_t row, float* to) {
      if (row % 65536 == 0) throw_if_interrupted();
      segment.read_row(rows[static_cast<std::size_t>(row)], to);
    });
  }
}

}  // namespace edgeclip
