#pragma once

#include <string>

#include "base/json.h"
#include "train/objective_options.h"

/// What makes one checkpoint better than another: a figure of the validation, by its name.
namespace edgeclip {

/// name: "mAP", "mINP", "R@1", "R@5", "R@10" (text to image), "image_to_text.mAP" and so on, "loss", or "losses.NAME".
/// Throws InvalidInput naming `where` if there is no such figure, or if losses give none for persons not trained on.
void require_score(const std::string& name, const ObjectiveOptions& losses, const std::string& where);

/// That figure of a validation (to_json(Validation)): higher is better, so a loss has its sign turned.
double score_of(const Json& validation, const std::string& name);

}  // namespace edgeclip
