#include "retrieval/search/gallery_set.h"

#include <algorithm>

namespace edgeclip {

GallerySet::GallerySet(std::vector<GallerySnapshot> galleries) : galleries_(std::move(galleries)) {
  if (galleries_.empty()) invalid_input("there is no gallery to search; name one");
  const GalleryManifest& first = galleries_.front().manifest();
  for (const GallerySnapshot& gallery : galleries_) {
    if (gallery.manifest().embedding_space != first.embedding_space || gallery.manifest().embedding_dim != first.embedding_dim)
      invalid_input("{}: was made with another model ({}, {}) than {}; search them one by one", gallery.directory().string(),
                    gallery.manifest().model_name, gallery.manifest().embedding_space, galleries_.front().directory().string());
    first_.push_back(first_.back() + gallery.places());
    size_ += gallery.size();
  }
}

bool GallerySet::complete() const {
  return std::all_of(galleries_.begin(), galleries_.end(), [](const GallerySnapshot& gallery) { return gallery.manifest().complete(); });
}

GallerySet::At GallerySet::at(std::int64_t place) const {
  EDGECLIP_CHECK(place >= 0 && place < places(), "place {} of {}", place, places());
  const auto which = static_cast<std::size_t>(std::upper_bound(first_.begin(), first_.end(), place) - first_.begin()) - 1;
  return {which, place - first_[which]};
}

GalleryItem GallerySet::item(std::int64_t place) const {
  const At found = at(place);
  return galleries_[found.which].item(found.place);
}

std::uint64_t GallerySet::number(std::int64_t place) const {
  const At found = at(place);
  return galleries_[found.which].number(found.place);
}

const GallerySource& GallerySet::source(std::int64_t place) const {
  const At found = at(place);
  return galleries_[found.which].source(found.place);
}

std::filesystem::path GallerySet::file_of(std::int64_t place) const {
  const At found = at(place);
  return galleries_[found.which].file_of(found.place);
}

void GallerySet::read_row(std::int64_t place, float* to) const {
  const At found = at(place);
  galleries_[found.which].read_row(found.place, to);
}

std::vector<kernels::ScanRows> GallerySet::scan_rows() const {
  std::vector<kernels::ScanRows> all;
  for (std::size_t g = 0; g < galleries_.size(); ++g)
    for (kernels::ScanRows rows : galleries_[g].scan_rows()) {
      rows.first += first_[g];
      all.push_back(rows);
    }
  return all;
}

void GallerySet::find_images(const std::string& given) {
  for (GallerySnapshot& gallery : galleries_) gallery.find_images(given);
}

}  // namespace edgeclip
