#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "dual_encoder/c_api/edgeclip.h"
#include "dual_encoder/plan_encoder.h"
#include "engine/c_api/call.h"
#include "retrieval/search/gallery_set.h"

/// Thread-safe.
struct edgeclip_model {
  edgeclip_model(const char* plan, const edgeclip::PlanEncoderOptions& options)
      : encoder(plan, options),
        threads(options.threads),
        log(options.log),
        precision(encoder.precision()),
        model_hash(encoder.model_hash()) {}

  edgeclip::PlanEncoder encoder;
  const int threads;
  const edgeclip::engine::LogCallback log;
  const std::string precision, model_hash;
};

/// One generation of a gallery.  Thread-safe.
struct edgeclip_gallery {
  struct Item {
    std::string path;
    edgeclip::GalleryItem item;
  };

  explicit edgeclip_gallery(const char* directory);
  std::size_t size() const { return static_cast<std::size_t>(gallery.size()); }
  /// Read when it is first asked for, and kept: the caller has pointers to its strings.
  const Item& item(std::size_t index) const;
  std::size_t index_of(std::int64_t place) const;

  const edgeclip::GallerySnapshot gallery;
  const edgeclip::GallerySet set;  ///< of it alone
  std::string image_root;

 private:
  std::vector<std::int64_t> places;  ///< of items, where some rows were removed; else they are the items' own numbers
  mutable std::mutex mutex;
  mutable std::map<std::size_t, Item> items;
};

namespace edgeclip::c_api {

/// (count, D), unit rows.  Throw InvalidInput naming the first that cannot be encoded.
Tensor embed_texts(edgeclip_model& model, const char* const* texts, std::size_t count);
Tensor embed_files(edgeclip_model& model, const char* const* paths, std::size_t count);
Tensor embed_images(edgeclip_model& model, const edgeclip_image* images, std::size_t count);

}  // namespace edgeclip::c_api
