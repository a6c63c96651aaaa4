#include "retrieval/evaluate/training_data.h"

#include "base/error.h"

namespace edgeclip {
namespace {

constexpr const char* kTrainSplit = "train";

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<bool> trained_on(const Dataset& dataset, const Json& provenance) {
  if (!provenance.is_array()) return std::nullopt;
  const std::string hash = dataset_hash(dataset);
  bool trained = false, doubtful = false;
  for (const Json& step : provenance) {
    if (!step.is_object()) continue;
    const std::string command = text_of(step, "command");
    if (command == "import") doubtful = true;  // what others trained it on is not known
    if (command != kTrainSplit) continue;
    trained = true;
    const auto data = step.find("dataset");
    if (data == step.end() || !data->is_object())
      doubtful = true;
    else if (text_of(*data, "hash") == hash)
      return true;
    else if (text_of(*data, "name") == dataset.name)  // prepared otherwise, perhaps of the same images
      doubtful = true;
  }
  return trained && !doubtful ? std::optional<bool>(false) : std::nullopt;
}

}  // namespace

TrainingOverlap training_overlap(const Dataset& dataset, const std::string& split,
                                 const std::set<std::int64_t>& ids, const Json& provenance) {
  TrainingOverlap overlap;
  overlap.trained_here = trained_on(dataset, provenance);
  overlap.queried = static_cast<std::int64_t>(ids.size());
  for (const std::int64_t i : dataset.split(split))
    overlap.images += dataset.images[static_cast<std::size_t>(i)].split == kTrainSplit ? 1 : 0;
  std::set<std::int64_t> trained;
  for (const ImageItem& image : dataset.images)
    if (image.split == kTrainSplit && ids.count(image.id) > 0) trained.insert(image.id);
  overlap.identities = static_cast<std::int64_t>(trained.size());
  return overlap;
}

std::string training_warning(const TrainingOverlap& overlap, const Dataset& dataset,
                             const std::string& split) {
  if (overlap.images > 0 && overlap.trained_here == false)
    return fmt::format(
        "split \"{}\" of {} holds {} images of the training split; figures on it cannot be held against "
        "those of a "
        "test split",
        split, dataset.name, overlap.images);
  if (overlap.images > 0)
    return fmt::format(
        "split \"{}\" of {} holds {} images of the training split{}; what is measured on them says nothing "
        "of "
        "unseen people",
        split, dataset.name, overlap.images, overlap.trained_here ? ", which the model was trained on" : "");
  if (overlap.trained_here == true && overlap.identities > 0)
    return fmt::format(
        "{} of {} people asked for in split \"{}\" of {} are in the training split, which the model was "
        "trained "
        "on; --people unseen leaves them out",
        overlap.identities, overlap.queried, split, dataset.name);
  return {};
}

Json to_json(const TrainingOverlap& overlap) {
  return {{"trained_here", overlap.trained_here ? Json(*overlap.trained_here) : Json(nullptr)},
          {"images", overlap.images},
          {"identities", overlap.identities}};
}

}  // namespace edgeclip
