#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/utf8.h"
#include "retrieval/gallery.h"
#include "retrieval/indexing.h"

namespace edgeclip {

/// An image on its way to the encoder.
struct Sample {
  std::int64_t index = 0;  ///< place in the input order
  GalleryItem item;
  std::vector<float> pixels;  ///< (3, H, W)
};

/// What is finished of an indexing, by place in the input order.  Thread-safe.
class IndexResults {
 public:
  explicit IndexResults(std::int64_t dim) : dim_(dim) {}

  /// All or nothing: what is finished is kept when there is no memory for this batch.  Takes the items of
  /// the batch.
  void add(std::vector<Sample>& batch, const float* rows) {
    const std::size_t count = batch.size(), values = count * static_cast<std::size_t>(dim_);
    std::lock_guard lock(mutex_);
    std::map<std::int64_t, std::int64_t> places;
    for (std::size_t b = 0; b < count; ++b)
      places.emplace(batch[b].index, static_cast<std::int64_t>(items_.size() + b));
    make_room(items_, count);
    make_room(rows_, values);
    // From here on nothing asks for memory.
    places_.merge(places);
    for (Sample& sample : batch) items_.push_back(std::move(sample.item));
    rows_.insert(rows_.end(), rows, rows + values);
  }

  /// What an earlier run encoded.
  void add_known(std::int64_t index, const GalleryItem& item, const float* row) {
    known_.insert(index);
    places_.emplace(index, static_cast<std::int64_t>(items_.size()));
    items_.push_back(item);
    rows_.insert(rows_.end(), row, row + dim_);
  }
  bool is_known(std::int64_t index) const { return known_.count(index) != 0; }
  std::int64_t known() const { return static_cast<std::int64_t>(known_.size()); }

  void fail(std::int64_t index, const std::string& path, const std::string& reason) {
    spdlog::warn("left out: {}", reason);
    std::string name = path;
    for (std::size_t bad; (bad = find_invalid_utf8(name)) != std::string::npos;) name[bad] = '?';
    std::lock_guard lock(mutex_);
    failed_.emplace(index, std::pair(std::move(name), reason));
  }

  /// Moves all into the gallery and the report, in input order.
  void finish(Gallery& gallery, IndexReport& report) {
    gallery.embeddings = Tensor(DType::f32, {static_cast<std::int64_t>(items_.size()), dim_});
    float* out = gallery.embeddings.data<float>();
    for (const auto& [index, place] : places_) {
      gallery.items.push_back(std::move(items_[static_cast<std::size_t>(place)]));
      std::copy_n(rows_.data() + place * dim_, dim_, out);
      out += dim_;
    }
    for (auto& [index, failure] : failed_) {
      gallery.left_out.push_back(failure.first);
      report.failed.push_back(std::move(failure));
    }
    report.indexed = gallery.size();
    report.resumed = known();
  }

 private:
  /// For so many more, growing as push_back() does.
  template <class T>
  static void make_room(std::vector<T>& list, std::size_t more) {
    const std::size_t size = list.size() + more;
    if (size > list.capacity()) list.reserve(std::max(size, 2 * list.capacity()));
  }

  const std::int64_t dim_;
  std::mutex mutex_;
  std::vector<float> rows_;
  std::vector<GalleryItem> items_;
  std::map<std::int64_t, std::int64_t> places_;
  std::map<std::int64_t, std::pair<std::string, std::string>> failed_;
  std::set<std::int64_t> known_;  ///< of an earlier run; fixed while threads run
};

}  // namespace edgeclip
