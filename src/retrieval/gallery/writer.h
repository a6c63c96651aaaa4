#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/append_log.h"
#include "base/measure.h"
#include "base/output_claim.h"
#include "retrieval/gallery/snapshot.h"

namespace edgeclip {

/// When appended rows become a segment, which readers see.
struct SealRules {
  std::int64_t journal_bytes = std::int64_t{256} << 20;
  double seconds = 300;
};

/// Throws InvalidInput naming what is wrong unless these galleries may become part of one with this manifest: if one is of another space, or
/// if two are parts (index --shard) of the same images that do not fit: of lists that differ, or the same part twice.
void require_mergeable(const GalleryManifest& into, const std::string& name, const std::vector<GallerySnapshot>& others);

/// The one process that changes a gallery; readers go on with the generation that they opened.
///
/// What is appended is in the gallery's journal at once (base/append_log.h), so that a kill loses nothing that append() has returned
/// for, and becomes a segment now and then: files of its own first, then one replacement of gallery.json.  What a killed writer left is
/// taken up, or swept, by the next one.  Thread-safe.
class GalleryWriter {
 public:
  /// Opens the gallery at a folder for writing, or creates one there: `fresh` says of what (nullopt: there must be one).  Throws InvalidInput if another
  /// process writes it, it is of an older format, the folder holds something else, or its space is not that of `fresh`.
  GalleryWriter(const std::filesystem::path& directory, const std::optional<GalleryManifest>& fresh, const SealRules& rules = {});
  ~GalleryWriter();
  GalleryWriter(const GalleryWriter&) = delete;
  GalleryWriter& operator=(const GalleryWriter&) = delete;

  const std::filesystem::path& directory() const { return directory_; }
  const GalleryManifest& manifest() const { return manifest_; }
  /// Nothing is in it, nor on its way into it.
  bool empty() const;
  /// Removes a gallery that this writer made and that is empty, and the folder if it made that too; nothing may be called afterwards.
  void discard();
  /// What readers see now.
  GallerySnapshot snapshot() const { return open_gallery(directory_); }

  /// Who encodes from here on, for the segments' provenance.
  void made_by(const Encoder& encoder);
  /// Puts a source into gallery.json, or changes one; `items` numbers are given out for a new one.  Returns its place.
  std::int32_t put_source(const GallerySource& source, std::optional<std::int32_t> place, std::uint64_t items);

  /// A number of its own, beside those that a source was given.
  std::uint64_t new_number();

  /// Rows of new items, (n, D) float32, numbers given out by put_source() and used once.  replaced: items that go when these come.
  void append(const std::vector<NumberedItem>& items, const float* rows, const std::vector<std::uint64_t>& replaced = {});
  /// Appended rows, in the order of their numbers, become a segment.  Does nothing if there are none.
  void seal();
  /// Takes items out; returns how many.  Their rows go when the gallery is compacted.
  std::int64_t remove(const std::function<bool(const GallerySnapshot&, std::int64_t place)>& which);
  /// One segment of all items in the order of their numbers, without what was removed, in the given type of rows.
  void compact(DType rows);
  /// All of other galleries of the same space becomes part of this one, or nothing of them: their sources, their items under new numbers.
  /// Throws InvalidInput as require_mergeable().
  void merge(const std::vector<GallerySnapshot>& others);

 private:
  void recover();
  void publish();
  /// A new generation: `make` changes the manifest and writes what it will name.  All or nothing.
  void change(const std::function<void()>& make);
  void seal_locked();
  std::filesystem::path journal_file() const;
  void open_journal();
  void merge_one(const GallerySnapshot& other);
  void add_segment(const std::vector<NumberedItem>& items, const std::function<void(std::int64_t, float*)>& read_row);
  /// Masks without these rows, into the manifest.
  void take_out(const std::function<bool(const Segment&, std::int64_t row)>& which);
  void sweep();

  const std::filesystem::path directory_;
  const SealRules rules_;
  const bool made_folder_;
  OutputClaim claim_;
  bool made_gallery_ = false;
  GalleryManifest manifest_;
  std::string model_hash_, precision_;
  mutable std::mutex mutex_;
  std::unique_ptr<AppendLog> journal_;
  Stopwatch since_seal_, since_sync_;
};

}  // namespace edgeclip
