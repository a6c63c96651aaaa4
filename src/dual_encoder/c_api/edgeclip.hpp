// edgeclip.hpp: edgeclip.h for C++17: handles that close themselves, errors as exceptions.
//
//   edgeclip::Model model("plan");
//   edgeclip::Gallery gallery("gallery");
//   for (const edgeclip::Hit& hit : gallery.search(model, "a woman in a red coat", 10))
//     std::cout << hit.score << ' ' << hit.path << '\n';
//
// Nothing here is part of the library: it is compiled with your program, whose exceptions and containers it
// uses.
#ifndef EDGECLIP_HPP
#define EDGECLIP_HPP

#include <algorithm>

#include "edgeclip.h"
#include "edgeclip_engine.hpp"

namespace edgeclip {
inline namespace abi1 {

/// A plan folder of a dual encoder.  Thread-safe.
class Model {
 public:
  /// options.struct_size need not be set.
  explicit Model(const std::string& plan, edgeclip_model_options options = {}) {
    options.struct_size = sizeof options;
    edgeclip_model* opened = nullptr;
    check(edgeclip_model_open(plan.c_str(), &options, &opened));
    handle_.reset(opened);
  }
  /// Its texts live as long as the model.
  edgeclip_model_info info() const {
    auto info = edgeclip_sized<edgeclip_model_info>();
    check(edgeclip_model_get_info(get(), &info));
    return info;
  }
  /// D numbers for each text, one after the other.
  std::vector<float> encode_texts(const std::vector<std::string>& texts) const {
    return encode(texts, edgeclip_encode_texts);
  }
  std::vector<float> encode_image_files(const std::vector<std::string>& paths) const {
    return encode(paths, edgeclip_encode_image_files);
  }
  std::vector<float> encode_images(const std::vector<edgeclip_image>& images) const {
    std::vector<float> rows(images.size() * width());
    check(edgeclip_encode_images(get(), images.data(), images.size(), rows.data(), rows.size()));
    return rows;
  }
  edgeclip_model* get() const noexcept { return handle_.get(); }

 private:
  std::size_t width() const { return static_cast<std::size_t>(info().embedding_dim); }
  template <class Encode>
  std::vector<float> encode(const std::vector<std::string>& list, Encode call) const {
    std::vector<const char*> pointers;
    for (const std::string& one : list) pointers.push_back(one.c_str());
    std::vector<float> rows(list.size() * width());
    check(call(get(), pointers.data(), pointers.size(), rows.data(), rows.size()));
    return rows;
  }

  detail::Owned<edgeclip_model, edgeclip_model_close> handle_;
};

struct Hit {
  std::size_t item;
  float score;  ///< cosine
  std::string path, caption;
  std::int64_t id;  ///< of the person, -1: not known
};

/// Indexed images.  Thread-safe.
class Gallery {
 public:
  explicit Gallery(const std::string& path) {
    edgeclip_gallery* opened = nullptr;
    check(edgeclip_gallery_open(path.c_str(), &opened));
    handle_.reset(opened);
  }
  std::size_t size() const { return edgeclip_gallery_size(get()); }
  std::string image_root() const { return edgeclip_gallery_image_root(get()); }

  /// The `top` best items, the best first.
  std::vector<Hit> search(const Model& model, const std::string& text, std::size_t top) const {
    return hits(top, [&](std::size_t most, edgeclip_hit* list, std::size_t* found) {
      return edgeclip_search_text(model.get(), get(), text.c_str(), most, list, found);
    });
  }
  std::vector<Hit> search_image_file(const Model& model, const std::string& path, std::size_t top) const {
    return hits(top, [&](std::size_t most, edgeclip_hit* list, std::size_t* found) {
      return edgeclip_search_image_file(model.get(), get(), path.c_str(), most, list, found);
    });
  }
  std::vector<Hit> search_image(const Model& model, const edgeclip_image& image, std::size_t top) const {
    return hits(top, [&](std::size_t most, edgeclip_hit* list, std::size_t* found) {
      return edgeclip_search_image(model.get(), get(), &image, most, list, found);
    });
  }
  std::vector<Hit> search(const std::vector<float>& embedding, std::size_t top) const {
    return hits(top, [&](std::size_t most, edgeclip_hit* list, std::size_t* found) {
      return edgeclip_search_embedding(get(), embedding.data(), embedding.size(), most, list, found);
    });
  }
  edgeclip_gallery* get() const noexcept { return handle_.get(); }

 private:
  template <class Search>
  std::vector<Hit> hits(std::size_t top, Search search) const {
    const std::size_t most = std::min(top, size() + 1);  // room for no more than there can be
    std::vector<edgeclip_hit> list(most + 1);
    std::size_t found = 0;
    check(search(most, list.data(), &found));
    std::vector<Hit> result;
    for (std::size_t i = 0; i < found; ++i) {
      auto item = edgeclip_sized<edgeclip_item>();
      check(edgeclip_gallery_item(get(), list[i].item, &item));
      result.push_back({list[i].item, list[i].score, item.path, item.caption, item.id});
    }
    return result;
  }

  detail::Owned<edgeclip_gallery, edgeclip_gallery_close> handle_;
};

}  // namespace abi1
}  // namespace edgeclip

#endif
