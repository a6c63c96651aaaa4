#include <algorithm>
#include <cmath>
#include <cstring>

#include "dual_encoder/c_api/model.h"
#include "retrieval/search/search.h"

namespace edgeclip::c_api {

namespace {

void require_hits(std::size_t top, const edgeclip_hit* hits, std::size_t* found) {
  required(found, "found") = 0;
  if (top < 1) invalid_input("top: {} is not at least 1", top);
  required(hits, "hits");
}

/// query: (1, D).
void find(const edgeclip_gallery& gallery, const TensorView& query, std::size_t top, int threads,
          edgeclip_hit* hits, std::size_t* found) {
  SearchOptions options;
  options.top =
      static_cast<std::int64_t>(std::min(top, gallery.size() + 1));
  options.threads = threads;
  const auto results = edgeclip::find(gallery.set, query, options);
  for (const Found& hit : results.at(0)) hits[(*found)++] = {gallery.index_of(hit.item), hit.score};
}

/// Searches for what embed() gives, once model and gallery are known to fit.
template <class Embed>
edgeclip_status search_for(edgeclip_model* model, const edgeclip_gallery* gallery, std::size_t top,
                           edgeclip_hit* hits, std::size_t* found, Embed&& embed) {
  return guarded([&] {
    require_hits(top, hits, found);
    require_same_space(required(gallery, "gallery").gallery, required(model, "model").encoder);
    find(*gallery, embed().view(), top, model->threads, hits, found);
  });
}

}  // namespace

}  // namespace edgeclip::c_api

edgeclip_gallery::edgeclip_gallery(const char* directory) : gallery(edgeclip::open_gallery(directory)), set({gallery}) {
  if (!gallery.manifest().sources.empty()) image_root = gallery.manifest().sources.front().image_root.string();
  if (gallery.size() == gallery.places()) return;
  gallery.each([&](std::int64_t place) { places.push_back(place); });
}

const edgeclip_gallery::Item& edgeclip_gallery::item(std::size_t index) const {
  const std::lock_guard lock(mutex);
  const auto [at, added] = items.try_emplace(index);
  if (added) {
    try {
      const std::int64_t place = places.empty() ? static_cast<std::int64_t>(index) : places[index];
      at->second.item = gallery.item(place);
      // One root is told: where there are several, paths of the others' items are absolute.
      if (gallery.source(place).image_root != image_root) at->second.item.path = gallery.file_of(place).string();
      at->second.path = edgeclip::shown_path(at->second.item);
    } catch (...) {
      items.erase(at);
      throw;
    }
  }
  return at->second;
}

std::size_t edgeclip_gallery::index_of(std::int64_t place) const {
  return places.empty() ? static_cast<std::size_t>(place)
                        : static_cast<std::size_t>(std::lower_bound(places.begin(), places.end(), place) - places.begin());
}

using namespace edgeclip;
using namespace edgeclip::c_api;

extern "C" {

edgeclip_status edgeclip_gallery_open(const char* path, edgeclip_gallery** gallery) {
  return guarded([&] {
    required(gallery, "gallery") = nullptr;
    *gallery = std::make_unique<edgeclip_gallery>(&required(path, "path")).release();
  });
}

void edgeclip_gallery_close(edgeclip_gallery* gallery) { delete gallery; }

size_t edgeclip_gallery_size(const edgeclip_gallery* gallery) {
  return gallery == nullptr ? 0 : gallery->size();
}

const char* edgeclip_gallery_image_root(const edgeclip_gallery* gallery) {
  return gallery == nullptr ? "" : gallery->image_root.c_str();
}

edgeclip_status edgeclip_gallery_item(const edgeclip_gallery* gallery, size_t index, edgeclip_item* item) {
  return guarded([&] {
    require_index(index, required(gallery, "gallery").size(), "item");
    const edgeclip_gallery::Item& known = gallery->item(index);
    edgeclip_item to{};
    to.path = known.path.c_str();
    to.caption = known.item.caption.c_str();
    to.id = known.item.id;
    to.frame = known.item.frame;
    write_struct(item, sizeof(edgeclip_item), "item", to);
  });
}

const char* edgeclip_gallery_path(const edgeclip_gallery* gallery, size_t index) {
  const char* path = nullptr;
  guarded([&] {
    if (index < edgeclip_gallery_size(gallery)) path = gallery->item(index).path.c_str();
  });
  return path;
}

edgeclip_status edgeclip_search_text(edgeclip_model* model, const edgeclip_gallery* gallery, const char* text,
                                     size_t top, edgeclip_hit* hits, size_t* found) {
  return search_for(model, gallery, top, hits, found, [&] { return embed_texts(*model, &text, 1); });
}

edgeclip_status edgeclip_search_image_file(edgeclip_model* model, const edgeclip_gallery* gallery,
                                           const char* path, size_t top, edgeclip_hit* hits, size_t* found) {
  return search_for(model, gallery, top, hits, found, [&] { return embed_files(*model, &path, 1); });
}

edgeclip_status edgeclip_search_image(edgeclip_model* model, const edgeclip_gallery* gallery,
                                      const edgeclip_image* image, size_t top, edgeclip_hit* hits,
                                      size_t* found) {
  return search_for(model, gallery, top, hits, found, [&] { return embed_images(*model, image, 1); });
}

edgeclip_status edgeclip_search_embedding(const edgeclip_gallery* gallery, const float* embedding, size_t dim,
                                          size_t top, edgeclip_hit* hits, size_t* found) {
  return guarded([&] {
    require_hits(top, hits, found);
    const int width = required(gallery, "gallery").gallery.manifest().embedding_dim;
    required(embedding, "embedding");
    if (dim != static_cast<std::size_t>(width))
      invalid_input("embedding: {} numbers, those of the gallery have {}; use the model that made it", dim,
                    width);
    double squares = 0;
    for (std::size_t i = 0; i < dim; ++i)
      squares += static_cast<double>(embedding[i]) * static_cast<double>(embedding[i]);
    if (!(std::fabs(squares - 1) <= 1e-3))
      invalid_input("embedding: its length is {}, not 1", std::sqrt(squares));
    find(*gallery, {DType::f32, {1, width}, reinterpret_cast<const std::byte*>(embedding)}, top, 0, hits,
         found);
  });
}

}  // extern "C"
