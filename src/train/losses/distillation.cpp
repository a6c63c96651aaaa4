#include "train/losses/distillation.h"

#include <cstring>

#include "base/error.h"
#include "train/asked_options.h"

namespace edgeclip {

namespace {

void require_same_view(const Checkpoint& teacher, const Checkpoint& student, const std::string& where) {
  const Json seen = options_to_json(teacher.card.image), sees = options_to_json(student.card.image);
  if (const std::string key = first_difference(seen, sees); !key.empty())
    invalid_input(
        "{}: the teacher sees images with {} {}, the student with {}; give the student the teacher's "
        "preprocessing (image.{}), or choose another teacher",
        where, key, value_at(seen, key), value_at(sees, key), key);
}

/// dataset.tokens are the student's.
void require_same_tokens(const Checkpoint& teacher, const Dataset& dataset, const std::string& where) {
  if (!teacher.tokenizer) invalid_input("{}: the teacher has no tokenizer; import it with its own", where);
  const int longest = dataset.context_length, context = teacher.config.text.max_position_embeddings;
  if (context < longest)
    invalid_input(
        "{}: the teacher reads {} tokens, the student {}; set model.text.max_position_embeddings to {} or "
        "choose "
        "another teacher",
        where, context, longest, context);
  std::vector<std::string> captions;
  captions.reserve(dataset.pairs.size());
  for (const Pair& pair : dataset.pairs) captions.push_back(pair.caption);
  const Tensor tokens = teacher.tokenizer->encode_batch(captions, longest, /*fixed_length=*/true);
  if (tokens.shape() != dataset.tokens.shape() || tokens.dtype() != dataset.tokens.dtype() ||
      std::memcmp(tokens.raw(), dataset.tokens.raw(), tokens.bytes()) != 0)
    invalid_input(
        "{}: the teacher's tokenizer reads other tokens in the captions than the student's; choose a teacher "
        "with the student's tokenizer, or prepare the dataset with the teacher's",
        where);
}

}  // namespace

torch::Tensor distillation_loss(const torch::Tensor& student, const torch::Tensor& teacher,
                                const DistillationOptions& options) {
  EDGECLIP_CHECK(student.sizes() == teacher.sizes() && student.dim() == 2);
  const double t = options.temperature;
  const auto divergence = [&](std::int64_t over) {
    const torch::Tensor p = torch::log_softmax(student / t, over), q = torch::log_softmax(teacher / t, over);
    const torch::Tensor terms =
        options.divergence == "teacher_student" ? q.exp() * (q - p) : p.exp() * (p - q);
    return terms.sum(over).mean();
  };
  const torch::Tensor rows = divergence(1);
  return t * t * (options.both_directions ? 0.5 * (rows + divergence(0)) : rows);
}

DistillationLoss::DistillationLoss(const DistillationOptions& options, const Checkpoint& student,
                                   const Dataset& dataset)
    : options_(options), teacher_(load_checkpoint(options.teacher)) {
  const std::string where = "losses.distillation.teacher: " + options.teacher;
  require_same_view(teacher_, student, where);
  require_same_tokens(teacher_, dataset, where);
  if (teacher_.model->has_lora()) teacher_.model->merge_lora();
  for (auto& parameter : teacher_.model->parameters()) parameter.set_requires_grad(false);
  teacher_.model->eval();
  teacher_.model->to(student.model->logit_scale.device());
}

void DistillationLoss::add_targets(const Inputs& inputs, Features& features) {
  const torch::NoGradGuard no_grad;
  features.teacher = {teacher_.model->encode_image(inputs.pixels), teacher_.model->encode_text(inputs.tokens),
                      teacher_.model->logit_scale};
}

torch::Tensor DistillationLoss::forward(const Features& features) {
  EDGECLIP_CHECK(features.teacher.image.defined(), "add_targets() comes first");
  const TeacherOutput& teacher = features.teacher;
  return distillation_loss(
      features.logit_scale.exp() * torch::matmul(features.image.unit, features.text.unit.t()),
      teacher.logit_scale.exp() * torch::matmul(teacher.image, teacher.text.t()), options_);
}

}  // namespace edgeclip
