#pragma once

#include <string>
#include <vector>

#include "base/options.h"

/// What a training minimizes: each loss of train/losses/ with its weight.  A loss of weight 0 is not made.
namespace edgeclip {

/// losses/contrastive.h
struct ContrastiveOptions {
  double weight = 1;
  double label_smoothing = 0;
  std::string positives = "each";
  /// Pairs of one identity are all correct, else those of one image; the key stands beside `losses`.
  bool identity_targets = true;

  template <class Visitor>
  void fields(Visitor& v) {
    v("weight", weight, "of the symmetric contrastive loss; 0: off");
    v("label_smoothing", label_smoothing, "part of the target that is spread over the whole batch");
    v("positives", positives, "where several pairs are right: each is to be likely, or any of them", {"each", "any"});
  }
  void validate(const std::string& where) const;
};

/// losses/sdm.h
struct SdmOptions {
  double weight = 0;
  double temperature = 0.02;
  double epsilon = 1e-8;

  template <class Visitor>
  void fields(Visitor& v) {
    v("weight", weight, "of similarity distribution matching (IRRA); 0: off");
    v("temperature", temperature, "cosines are divided by it; it does not train");
    v("epsilon", epsilon, "added to the label distribution, whose zeros have no logarithm");
  }
  void validate(const std::string& where) const;
};

/// losses/identity.h
struct IdentityOptions {
  double weight = 0;
  double label_smoothing = 0;

  template <class Visitor>
  void fields(Visitor& v) {
    v("weight", weight,
      "of telling the training persons apart by one classifier of images and texts; 0: off");
    v("label_smoothing", label_smoothing, "part of the target that is spread over all persons");
  }
  void validate(const std::string& where) const;
};

/// losses/reversed_contrastive.h
struct ReversedContrastiveOptions {
  double weight = 0;
  double epsilon = 1e-2;

  template <class Visitor>
  void fields(Visitor& v) {
    v("weight", weight, "of the reversed contrastive loss (TBPS-CLIP's R-ITC); 0: off");
    v("epsilon", epsilon, "added to the label distribution, whose zeros have no logarithm");
  }
  void validate(const std::string& where) const;
};

/// losses/cyclic.h
struct CyclicOptions {
  double weight = 0;
  double in_modal = 0.25, cross_modal = 0.25;

  template <class Visitor>
  void fields(Visitor& v) {
    v("weight", weight, "of cyclic consistency (CyCLIP; TBPS-CLIP's C-ITC, weight 0.1); 0: off");
    v("in_modal", in_modal, "of it: two images are as alike as their texts");
    v("cross_modal", cross_modal, "of it: an image is to another's text as that image is to its text");
  }
  void validate(const std::string& where) const;
};

/// losses/triplet_alignment.h
struct TripletAlignmentOptions {
  double weight = 0;
  double margin = 0.1;
  double temperature = 0.015;

  template <class Visitor>
  void fields(Visitor& v) {
    v("weight", weight, "of the triplet alignment loss (RDE); 0: off");
    v("margin", margin, "by which right pairs are to be more alike than others, in cosines");
    v("temperature", temperature, "how near the bound is to the hardest of the others: the smaller the nearer");
  }
  void validate(const std::string& where) const;
};

/// losses/self_supervision.h
struct SelfSupervisionOptions {
  double weight = 0;
  double temperature = 0.1;
  int hidden_size = 128;

  template <class Visitor>
  void fields(Visitor& v) {
    v("weight", weight,
      "of telling images apart by two differently augmented views (SimCLR; TBPS-CLIP, weight 0.4); 0: off");
    v("temperature", temperature, "cosines are divided by it");
    v("hidden_size", hidden_size, "neurons of the head's hidden layer");
  }
  void validate(const std::string& where) const;
};

/// losses/embedding_distillation.h
struct EmbeddingDistillationOptions {
  double weight = 0;
  std::string measure = "cosine";

  template <class Visitor>
  void fields(Visitor& v) {
    v("weight", weight, "of the distance of the student's embeddings to the teacher's; 0: off");
    v("measure", measure, "1 - cosine, or the mean squared error of unit rows", {"cosine", "mse"});
  }
  void validate(const std::string& where) const;
};

/// losses/hidden_distillation.h
struct HiddenDistillationOptions {
  double weight = 0;

  template <class Visitor>
  void fields(Visitor& v) {
    v("weight", weight, "of the distance of the towers' states before their projections to the teacher's; 0: off");
  }
  void validate(const std::string& where) const;
};

/// What is learned from a teacher: losses/distillation.h and, below keys of their own, more of the same teacher.
struct DistillationOptions {
  double weight = 0;
  std::string teacher;  ///< a checkpoint
  double temperature = 1;
  std::string divergence = "teacher_student";
  bool both_directions = true;
  int cache_mb = 1024;
  EmbeddingDistillationOptions embeddings;
  HiddenDistillationOptions hidden;

  template <class Visitor>
  void fields(Visitor& v) {
    v("weight", weight, "of the divergence between the teacher's and the student's similarities; 0: off");
    v("teacher", teacher, "checkpoint to learn from; it reads the student's images and tokens");
    v("temperature", temperature, "logits are divided by it, the loss is multiplied by its square");
    v("divergence", divergence, "KL(teacher || student), or KL(student || teacher)",
      {"teacher_student", "student_teacher"});
    v("both_directions", both_directions, "of texts among images as well as of images among texts");
    v("cache_mb", cache_mb,
      "MiB for what the teacher says of captions and images that nothing changes, which is computed once then; 0: in every step anew");
    v("embeddings", embeddings, "the teacher's embeddings");
    v("hidden", hidden, "what the teacher's towers say before their projections");
  }
  void validate(const std::string& where) const;
  bool in_use() const { return weight > 0 || embeddings.weight > 0 || hidden.weight > 0; }
};

struct ObjectiveOptions {
  ContrastiveOptions contrastive;
  SdmOptions sdm;
  IdentityOptions identity;
  ReversedContrastiveOptions reversed_contrastive;
  CyclicOptions cyclic;
  TripletAlignmentOptions triplet_alignment;
  SelfSupervisionOptions self_supervision;
  DistillationOptions distillation;

  template <class Visitor>
  void fields(Visitor& v) {
    v("contrastive", contrastive, "symmetric contrastive loss");
    v("sdm", sdm, "similarity distribution matching");
    v("identity", identity, "identity classification");
    v("reversed_contrastive", reversed_contrastive, "divergence of predictions from identities");
    v("cyclic", cyclic, "cyclic consistency");
    v("triplet_alignment", triplet_alignment, "margin to all others");
    v("self_supervision", self_supervision, "two views of each image");
    v("distillation", distillation, "from a teacher");
  }
  /// Throws InvalidInput; where: prefix of the keys' names.
  void validate(const std::string& where) const;
};

/// Throws InvalidInput naming what was asked for (asked_options.h: the part of `losses`) of a loss that has no weight.
/// where: prefix of the keys' names.
void require_weights(const ObjectiveOptions& options, const Json& asked, const std::string& where);

}  // namespace edgeclip
