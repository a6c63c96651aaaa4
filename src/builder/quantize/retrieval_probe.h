#pragma once

#include <cstdint>
#include <functional>

#include "base/tensor.h"
#include "bundle/bundle.h"

namespace edgeclip::builder {

/// Runs a tower: what it takes -> (B, D) unit rows.  Thread-safe.
using RunTower = std::function<Tensor(const TensorView&)>;

/// Text to image, percent.
struct RetrievalScore {
  double r1 = 0, map = 0;
};

/// What measures the retrieval of candidates, all on the same images and captions: of whoever knows datasets
/// and metrics, which the builder does not.
struct RetrievalProbe {
  std::function<Tensor(const RunTower&)> embed_images;  ///< (images, D)
  std::function<Tensor(const RunTower&)> embed_texts;   ///< (captions, D)
  std::function<RetrievalScore(const Tensor& images, const Tensor& texts)> score;
  std::int64_t images = 0, captions = 0;
};

/// Of a bundle's card and tokenizer.
using OpenProbe = std::function<RetrievalProbe(const Bundle&)>;

}  // namespace edgeclip::builder
