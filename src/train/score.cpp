#include "train/score.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "train/losses/registry.h"

namespace edgeclip {

namespace {

constexpr const char* kRetrieval[] = {"R@1", "R@5", "R@10", "mAP", "mINP"};
constexpr const char* kDirections[] = {"text_to_image", "image_to_text"};

bool is_retrieval(const std::string& name) {
  return std::find(std::begin(kRetrieval), std::end(kRetrieval), name) != std::end(kRetrieval);
}

/// "image_to_text.mAP" to its two keys; a name alone is of text to image.  Of others the second is empty.
std::pair<std::string, std::string> retrieval_keys(const std::string& name) {
  if (is_retrieval(name)) return {kDirections[0], name};
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos) return {};
  const std::string direction = name.substr(0, dot), figure = name.substr(dot + 1);
  const bool known = std::find(std::begin(kDirections), std::end(kDirections), direction) != std::end(kDirections);
  return known && is_retrieval(figure) ? std::pair(direction, figure) : std::pair<std::string, std::string>();
}

constexpr const char* kLosses = "losses.";
bool is_part(const std::string& name) { return name.rfind(kLosses, 0) == 0; }
std::string part_of(const std::string& name) { return name.substr(std::string(kLosses).size()); }

}  // namespace

void require_score(const std::string& name, const ObjectiveOptions& losses, const std::string& where) {
  if (!retrieval_keys(name).second.empty()) return;
  if (name != "loss" && !is_part(name))
    invalid_input(
        "{}: {}: is no figure of the validation; take mAP, mINP, R@1, R@5, R@10 (of text to image, or "
        "image_to_text.mAP ...), loss, or losses.NAME",
        where, name);
  const std::vector<std::string> measured = measured_losses(losses);
  if (measured.empty())
    invalid_input(
        "{}: {}: none of the losses in use can be measured on persons that are not trained on; set it to mAP", where, name);
  if (is_part(name) && std::find(measured.begin(), measured.end(), part_of(name)) == measured.end())
    invalid_input("{}: {}: no such loss is measured in validation; these are: {}", where, name, fmt::join(measured, ", "));
}

double score_of(const Json& validation, const std::string& name) {
  if (name == "loss") return -validation.at("loss").get<double>();
  if (is_part(name)) return -validation.at("losses").at(part_of(name)).get<double>();
  const auto [direction, figure] = retrieval_keys(name);
  return validation.at(direction).at(figure).get<double>();
}

}  // namespace edgeclip
