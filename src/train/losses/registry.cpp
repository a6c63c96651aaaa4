#include "train/losses/registry.h"

#include "train/losses/contrastive.h"
#include "train/losses/distillation.h"
#include "train/losses/identity.h"
#include "train/losses/sdm.h"

namespace edgeclip {

namespace {

using Options = ObjectiveOptions;

std::vector<std::int64_t> persons_of(const LossContext& context) {
  std::vector<std::int64_t> persons;
  for (const ImageItem& image : context.dataset.images)
    if (image.split == context.split) persons.push_back(image.id);
  return persons;
}

}  // namespace

const std::vector<LossRow>& loss_rows() {
  static const std::vector<LossRow> rows = {
      {"contrastive", [](const Options& o) { return o.contrastive.weight; },
       [](const Options& o, const LossContext&) -> std::shared_ptr<Loss> {
         return std::make_shared<ContrastiveLoss>(o.contrastive);
       }},
      {"sdm", [](const Options& o) { return o.sdm.weight; },
       [](const Options& o, const LossContext&) -> std::shared_ptr<Loss> {
         return std::make_shared<SdmLoss>(o.sdm);
       }},
      {"identity", [](const Options& o) { return o.identity.weight; },
       [](const Options& o, const LossContext& c) -> std::shared_ptr<Loss> {
         return std::make_shared<IdentityLoss>(o.identity, persons_of(c), c.student.config.projection_dim);
       }},
      {"distillation", [](const Options& o) { return o.distillation.weight; },
       [](const Options& o, const LossContext& c) -> std::shared_ptr<Loss> {
         return std::make_shared<DistillationLoss>(o.distillation, c.student, c.dataset);
       }},
  };
  return rows;
}

}  // namespace edgeclip
