#include <cmath>
#include <cstring>

#include "dual_encoder/c_api/model.h"
#include "retrieval/search.h"

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
      static_cast<std::int64_t>(std::min(top, static_cast<std::size_t>(gallery.gallery.size()) + 1));
  options.threads = threads;
  const auto results = search(gallery.gallery, query, options);
  for (const SearchHit& hit : results.at(0))
    hits[(*found)++] = {static_cast<std::size_t>(hit.item), hit.score};
}

/// Searches for what embed() gives, once model and gallery are known to fit.
template <class Embed>
edgeclip_status search_for(edgeclip_model* model, const edgeclip_gallery* gallery, std::size_t top,
                           edgeclip_hit* hits, std::size_t* found, Embed&& embed) {
  return guarded([&] {
    require_hits(top, hits, found);
    require_same_model(required(gallery, "gallery").gallery, required(model, "model").encoder);
    find(*gallery, embed().view(), top, model->threads, hits, found);
  });
}

}  // namespace

}  // namespace edgeclip::c_api

using namespace edgeclip;
using namespace edgeclip::c_api;

extern "C" {

edgeclip_status edgeclip_gallery_open(const char* path, edgeclip_gallery** gallery) {
  return guarded([&] {
    required(gallery, "gallery") = nullptr;
    auto made = std::make_unique<edgeclip_gallery>();
    made->gallery = open_gallery(&required(path, "path"));
    made->image_root = made->gallery.image_root.string();
    *gallery = made.release();
  });
}

void edgeclip_gallery_close(edgeclip_gallery* gallery) { delete gallery; }

size_t edgeclip_gallery_size(const edgeclip_gallery* gallery) {
  return gallery == nullptr ? 0 : gallery->gallery.items.size();
}

const char* edgeclip_gallery_image_root(const edgeclip_gallery* gallery) {
  return gallery == nullptr ? "" : gallery->image_root.c_str();
}

edgeclip_status edgeclip_gallery_item(const edgeclip_gallery* gallery, size_t index, edgeclip_item* item) {
  return guarded([&] {
    const auto& items = required(gallery, "gallery").gallery.items;
    require_index(index, items.size(), "item");
    edgeclip_item to{};
    to.path = items[index].path.c_str();
    to.caption = items[index].caption.c_str();
    to.id = items[index].id;
    to.frame = items[index].frame;
    write_struct(item, sizeof(edgeclip_item), "item", to);
  });
}

const char* edgeclip_gallery_path(const edgeclip_gallery* gallery, size_t index) {
  return index < edgeclip_gallery_size(gallery) ? gallery->gallery.items[index].path.c_str() : nullptr;
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
    const int width = required(gallery, "gallery").gallery.embedding_dim;
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
