#include "train/losses/teacher.h"

#include <cstring>
#include <functional>
#include <tuple>
#include <utility>

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

using UnitAndHidden = std::pair<torch::Tensor, torch::Tensor>;

/// Rows that are remembered, and the others computed.  unchanged: their indices, -1 for others; seen: (B, ...).
UnitAndHidden said_of(const TeacherRows& memory, const torch::Tensor& unchanged, const torch::Tensor& seen,
                      const std::function<UnitAndHidden(const torch::Tensor&)>& compute) {
  if (!memory.place.defined()) return compute(seen);
  // Either all batches have states or none: parts of a batch, and ranks, put theirs together.
  const auto computed = [&](const torch::Tensor& rows) {
    UnitAndHidden said = compute(rows);
    if (!memory.hidden.defined()) said.second.reset();
    return said;
  };
  if (!unchanged.defined()) return computed(seen);
  const torch::Tensor index = unchanged.cpu();
  const torch::Tensor places = torch::where(index >= 0, memory.place.index_select(0, index.clamp_min(0)), index);
  const torch::Tensor fresh = (places < 0).nonzero().flatten();
  if (fresh.size(0) == seen.size(0)) return computed(seen);
  const auto known = [&](const torch::Tensor& rows) {
    return rows.defined() ? rows.index_select(0, places.clamp_min(0)).to(seen.device()) : torch::Tensor();
  };
  UnitAndHidden out{known(memory.unit), known(memory.hidden)};
  if (fresh.size(0) == 0) return out;
  const torch::Tensor there = fresh.to(seen.device());
  const UnitAndHidden said = computed(seen.index_select(0, there));
  out.first.index_copy_(0, there, said.first);
  if (out.second.defined()) out.second.index_copy_(0, there, said.second);
  return out;
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

void Teacher::remember(const TeacherMemoryPlan& plan, const Dataset& dataset, const ImageTransform& transform,
                       const LoaderOptions& loading, const torch::Device& device, ComputeType compute, Ranks& ranks) {
  DualEncoder& model = checkpoint_.model;
  model->to(device);
  memory_ = remember_teacher(model, compute, plan, dataset, transform, loading, ranks);
}

TeacherOutput Teacher::see(const Inputs& inputs, ComputeType compute) {
  const torch::NoGradGuard no_grad;
  DualEncoder& model = checkpoint_.model;
  if (const torch::Device device = inputs.pixels.device(); model->logit_scale.device() != device) model->to(device);
  TeacherOutput out;
  std::tie(out.image, out.image_hidden) =
      said_of(memory_.images, inputs.unchanged_images, inputs.pixels, [&](const torch::Tensor& pixels) {
        const torch::Tensor hidden = model->hidden_image(pixels, compute);
        return UnitAndHidden{unit_rows(model->visual_projection(hidden, compute)), hidden};
      });
  std::tie(out.text, out.text_hidden) =
      said_of(memory_.captions, inputs.unchanged_captions, inputs.tokens, [&](const torch::Tensor& tokens) {
        const torch::Tensor hidden = model->hidden_text(tokens, compute);
        return UnitAndHidden{unit_rows(model->text_projection(hidden, compute)), hidden};
      });
  out.logit_scale = model->logit_scale;
  return out;
}

}  // namespace edgeclip
