#include "train/losses/teacher.h"

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
        "choose another teacher",
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

Teacher::Teacher(const std::string& path, const Checkpoint& student, const Dataset& dataset, const std::string& where)
    : checkpoint_(load_checkpoint(path)) {
  require_same_view(checkpoint_, student, where + ": " + path);
  require_same_tokens(checkpoint_, dataset, where + ": " + path);
  hash_ = weights_hash(checkpoint_.model);
  if (checkpoint_.model->has_lora()) checkpoint_.model->merge_lora();
  for (auto& parameter : checkpoint_.model->parameters()) parameter.set_requires_grad(false);
  checkpoint_.model->eval();
}

TeacherOutput Teacher::see(const Inputs& inputs, ComputeType compute) {
  const torch::NoGradGuard no_grad;
  DualEncoder& model = checkpoint_.model;
  if (const torch::Device device = inputs.pixels.device(); model->logit_scale.device() != device) model->to(device);
  TeacherOutput out;
  out.image_hidden = model->hidden_image(inputs.pixels, compute);
  out.text_hidden = model->hidden_text(inputs.tokens, compute);
  out.image = unit_rows(model->visual_projection(out.image_hidden, compute));
  out.text = unit_rows(model->text_projection(out.text_hidden, compute));
  out.logit_scale = model->logit_scale;
  return out;
}

}  // namespace edgeclip
