#pragma once

#include <string>

#include "base/options.h"
#include "data/image/transform.h"

namespace edgeclip {

/// Everything a runtime must know of a dual encoder besides its graphs.  Part of checkpoint, bundle and plan,
/// so that nothing is restated by hand.
struct ModelCard {
  std::string name = "edgeclip";
  ImageTransform image;
  int context_length = 77;  ///< most tokens of a text, ends included
  int vocab_size = 0;
  int begin_id = 2, end_id = 3, pad_id = 0;
  int embedding_dim = 0;   ///< D
  double logit_scale = 1;  ///< exp of the learned logit scale: scores = scale * cosine
  std::string activation = "quick_gelu";
  std::string provenance;  ///< commands, datasets, seeds and versions that made it, for people

  template <class Visitor>
  void fields(Visitor& v) {
    v("name", name, "model name");
    v("image", image, "image preprocessing");
    v("context_length", context_length, "most tokens of a text, ends included");
    v("vocab_size", vocab_size, "number of token ids");
    v("begin_id", begin_id, "first token");
    v("end_id", end_id, "last token, where the text tower pools");
    v("pad_id", pad_id, "padding");
    v("embedding_dim", embedding_dim, "D");
    v("logit_scale", logit_scale, "scores = logit_scale * cosine");
    v("activation", activation, "of the MLPs", {"gelu", "quick_gelu"});
    v("provenance", provenance, "what made it");
  }
  void validate(const std::string& where) const;
};

}  // namespace edgeclip
