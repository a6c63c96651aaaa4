#include "train/losses/registry.h"

#include "train/losses/contrastive.h"
#include "train/losses/cyclic.h"
#include "train/losses/distillation.h"
#include "train/losses/embedding_distillation.h"
#include "train/losses/hidden_distillation.h"
#include "train/losses/identity.h"
#include "train/losses/reversed_contrastive.h"
#include "train/losses/sdm.h"
#include "train/losses/self_supervision.h"
#include "train/losses/triplet_alignment.h"

namespace edgeclip {

namespace {

using Options = ObjectiveOptions;
using Made = std::shared_ptr<Loss>;

std::vector<std::int64_t> persons_of(const LossContext& context) {
  std::vector<std::int64_t> persons;
  for (const ImageItem& image : context.dataset.images)
    if (image.split == context.split) persons.push_back(image.id);
  return persons;
}

HiddenDistillationLoss::Widths widths_of(const ModelConfig& config) {
  return {config.vision.width(), config.text.hidden_size};
}

}  // namespace

const std::vector<LossRow>& loss_rows() {
  static const std::vector<LossRow> rows = {
      {"contrastive", [](const Options& o) { return o.contrastive.weight; }, true,
       [](const Options& o, const LossContext&) -> Made { return std::make_shared<ContrastiveLoss>(o.contrastive); }},
      {"sdm", [](const Options& o) { return o.sdm.weight; }, true,
       [](const Options& o, const LossContext&) -> Made { return std::make_shared<SdmLoss>(o.sdm); }},
      {"identity", [](const Options& o) { return o.identity.weight; }, false,
       [](const Options& o, const LossContext& c) -> Made {
         return std::make_shared<IdentityLoss>(o.identity, persons_of(c), c.student.config.projection_dim, c.where);
       }},
      {"distillation", [](const Options& o) { return o.distillation.weight; }, false,
       [](const Options& o, const LossContext&) -> Made { return std::make_shared<DistillationLoss>(o.distillation); }},
      {"distillation_embeddings", [](const Options& o) { return o.distillation.embeddings.weight; }, false,
       [](const Options& o, const LossContext& c) -> Made {
         return std::make_shared<EmbeddingDistillationLoss>(
             o.distillation.embeddings, c.student.config.projection_dim, c.teacher->config().projection_dim);
       }},
      {"distillation_hidden", [](const Options& o) { return o.distillation.hidden.weight; }, false,
       [](const Options&, const LossContext& c) -> Made {
         return std::make_shared<HiddenDistillationLoss>(widths_of(c.student.config), widths_of(c.teacher->config()));
       }},
      {"reversed_contrastive", [](const Options& o) { return o.reversed_contrastive.weight; }, true,
       [](const Options& o, const LossContext&) -> Made {
         return std::make_shared<ReversedContrastiveLoss>(o.reversed_contrastive);
       }},
      {"cyclic", [](const Options& o) { return o.cyclic.weight; }, true,
       [](const Options& o, const LossContext&) -> Made { return std::make_shared<CyclicLoss>(o.cyclic); }},
      {"triplet_alignment", [](const Options& o) { return o.triplet_alignment.weight; }, true,
       [](const Options& o, const LossContext&) -> Made {
         return std::make_shared<TripletAlignmentLoss>(o.triplet_alignment);
       }},
      {"self_supervision", [](const Options& o) { return o.self_supervision.weight; }, false,
       [](const Options& o, const LossContext& c) -> Made {
         return std::make_shared<SelfSupervisionLoss>(o.self_supervision, c.student.config.projection_dim);
       }},
  };
  return rows;
}

std::vector<std::string> measured_losses(const ObjectiveOptions& options) {
  std::vector<std::string> names;
  for (const LossRow& row : loss_rows())
    if (row.measures_unseen && row.weight(options) > 0) names.emplace_back(row.name);
  return names;
}

}  // namespace edgeclip
