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
  bool identity_targets = true;  ///< pairs of one identity are all correct; the key stands beside `losses`

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

/// losses/distillation.h
struct DistillationOptions {
  double weight = 0;
  std::string teacher;  ///< a checkpoint
  double temperature = 1;
  std::string divergence = "teacher_student";
  bool both_directions = true;

  template <class Visitor>
  void fields(Visitor& v) {
    v("weight", weight, "of the divergence between the teacher's and the student's similarities; 0: off");
    v("teacher", teacher,
      "checkpoint that the similarities come from; it reads the student's images and tokens");
    v("temperature", temperature, "logits are divided by it, the loss is multiplied by its square");
    v("divergence", divergence, "KL(teacher || student), or KL(student || teacher)",
      {"teacher_student", "student_teacher"});
    v("both_directions", both_directions, "of texts among images as well as of images among texts");
  }
  void validate(const std::string& where) const;
};

struct ObjectiveOptions {
  ContrastiveOptions contrastive;
  SdmOptions sdm;
  IdentityOptions identity;
  DistillationOptions distillation;

  template <class Visitor>
  void fields(Visitor& v) {
    v("contrastive", contrastive, "symmetric contrastive loss");
    v("sdm", sdm, "similarity distribution matching");
    v("identity", identity, "identity classification");
    v("distillation", distillation, "from a teacher's similarities");
  }
  /// Throws InvalidInput; where: prefix of the keys' names.
  void validate(const std::string& where) const;
};

/// Names of the losses in use that can be measured on persons that are not trained on.
std::vector<std::string> measured_losses(const ObjectiveOptions& options);

}  // namespace edgeclip
