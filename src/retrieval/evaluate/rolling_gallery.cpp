#include "retrieval/evaluate/rolling_gallery.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "base/io_error.h"
#include "base/remove_tree.h"
#include "base/signals.h"
#include "retrieval/encode.h"

namespace edgeclip {

namespace fs = std::filesystem;

RollingGallery::Folder::Folder() {
  std::string pattern = (fs::temp_directory_path() / "edgeclip-soak-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw_io_error(pattern, "cannot be made", errno, "set TMPDIR to a folder that can be written");
  path = pattern;
}

RollingGallery::Folder::~Folder() { remove_tree(path.c_str()); }

RollingGallery::RollingGallery(Encoder& encoder, const QueryStream& images, const Options& options, Guard guard)
    : encoder_(encoder), images_(images), options_(options), guard_(std::move(guard)), writer_(folder_.path / "gallery", manifest_for(encoder)) {
  GallerySource source;
  source.kind = "images";
  source.path = "soak";
  source.image_root = "/";
  source.complete = true;
  writer_.made_by(encoder);
  source_ = writer_.put_source(source, std::nullopt, 0);
  append_batch();
  seal_and_tidy();
  thread_ = std::thread([this] { work(); });
}

RollingGallery::~RollingGallery() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void RollingGallery::work() {
  try {
    while (!stopping_ && !interrupted()) {
      guard_([this] {
        append_batch();
        if (since_seal_.seconds() >= options_.seal_seconds) seal_and_tidy();
      });
      // Searches are what is measured: this leaves them the machine for most of the time.
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  } catch (const Interrupted&) {  // the reader sees it too
  } catch (...) {
    std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
  }
}

void RollingGallery::append_batch() {
  std::vector<fs::path> paths;
  const Tensor pixels = images_.next_images(encoder_, options_.batch, &paths);
  const Tensor rows = encoder_.encode_images(pixels.view());
  check_embeddings(rows, options_.batch, encoder_);
  std::vector<NumberedItem> items;
  for (const fs::path& path : paths) {
    newest_number_ = writer_.new_number();
    items.push_back({newest_number_, source_, {fs::absolute(path).string()}});
  }
  writer_.append(items, rows.data<float>());
  appended_ += options_.batch;
}

void RollingGallery::seal_and_tidy() {
  writer_.seal();
  since_seal_ = Stopwatch();
  if (++seals_ % options_.seals_to_compact != 0) return;
  const auto kept = static_cast<std::uint64_t>(options_.kept);
  if (newest_number_ >= kept)
    removed_ += writer_.remove([&](const GallerySnapshot& gallery, std::int64_t place) { return gallery.number(place) <= newest_number_ - kept; });
  writer_.compact(DType::f32);
}

const GallerySnapshot& RollingGallery::newest() {
  const std::int64_t seal = seals_;
  if (seal == opened_seal_) return newest_;
  GallerySnapshot opened = open_gallery(writer_.directory());
  const std::int64_t before = newest_.manifest().generation;
  EDGECLIP_CHECK(opened.size() > 0 && opened.manifest().generation >= before, "generation {} with {} images after {}",
                 opened.manifest().generation, opened.size(), before);
  if (opened.manifest().generation > before) ++generations_read_;
  opened_seal_ = seal;
  newest_ = std::move(opened);
  return newest_;
}

void RollingGallery::check() const {
  std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
}

}  // namespace edgeclip
