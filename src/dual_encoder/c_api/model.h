#pragma once

#include "dual_encoder/c_api/edgeclip.h"
#include "dual_encoder/plan_encoder.h"
#include "engine/c_api/call.h"
#include "retrieval/gallery.h"

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

/// Immutable.
struct edgeclip_gallery {
  edgeclip::Gallery gallery;
  std::string image_root;
};

namespace edgeclip::c_api {

/// (count, D), unit rows.  Throw InvalidInput naming the first that cannot be encoded.
Tensor embed_texts(edgeclip_model& model, const char* const* texts, std::size_t count);
Tensor embed_files(edgeclip_model& model, const char* const* paths, std::size_t count);
Tensor embed_images(edgeclip_model& model, const edgeclip_image* images, std::size_t count);

}  // namespace edgeclip::c_api
