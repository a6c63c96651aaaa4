#pragma once

#include <string>
#include <vector>

#include "base/options.h"
#include "data/image/transform.h"

namespace edgeclip {

/// How frames of a video become one input of a model of clips.
struct ClipSampling {
  int frames = 0;  ///< of a clip; 0: the model takes single images
  int stride = 1;  ///< a clip has every stride-th frame
  int step = 0;    ///< frames from the start of a clip to that of the next; 0: frames * stride

  template <class Visitor>
  void fields(Visitor& v) {
    v("frames", frames, "of a clip; 0: single images");
    v("stride", stride, "a clip has every stride-th frame");
    v("step", step, "frames from clip to clip; 0: clips follow each other");
  }
  void validate(const std::string& where) const;
};

/// Everything a runtime must know of a model besides its graphs.  Part of checkpoint, bundle and plan, word
/// for word, so that nothing is restated by hand.  What a task does not need keeps its default.
struct ModelCard {
  std::string task = "dual_encoder";
  std::string name = "edgeclip";
  ImageTransform image;
  int context_length = 77;  ///< most tokens of a text, ends included
  int vocab_size = 0;
  int begin_id = 2, end_id = 3, pad_id = 0;
  int embedding_dim = 0;   ///< D
  double logit_scale = 1;  ///< exp of the learned logit scale: scores = scale * cosine
  std::string activation = "quick_gelu";
  /// Of embeddings that are compared with each other: those of the same weights, preprocessing and tokenizer, in whatever precision.
  /// Given by export, and handed on by quantize and build; "" where none is known (checkpoints, older bundles).
  std::string embedding_space;
  std::vector<std::string> classes;  ///< of a classifier, in the order of its outputs
  ClipSampling clip;
  std::string provenance;  ///< commands, datasets, seeds and versions that made it, for people

  template <class Visitor>
  void fields(Visitor& v) {
    v("task", task, "what the model does",
      {"dual_encoder", "classifier", "clip_classifier", "features", "anomaly", "none"});
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
    v("embedding_space", embedding_space, "what embeddings it gives: of which weights, preprocessing and tokenizer, in any precision");
    v("classes", classes, "names of a classifier's outputs, in their order");
    v("clip", clip, "how frames of a video become one input");
    v("provenance", provenance, "what made it");
  }
  void validate(const std::string& where) const;
};

}  // namespace edgeclip
