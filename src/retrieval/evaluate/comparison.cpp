#include "retrieval/evaluate/comparison.h"

namespace edgeclip {
namespace {

DirectionComparison compare_direction(const std::vector<QueryOutcome>& a, const std::vector<QueryOutcome>& b,
                                      const BootstrapOptions& bootstrap, const PairedTestOptions& test) {
  const ClusterSums differences = cluster_differences(a, b);
  DirectionComparison result;
  result.against = cluster_sums(b).means();
  result.difference = differences.means();
  result.intervals = bootstrap_intervals(differences, bootstrap);
  result.test = paired_test(differences, test);
  return result;
}

Json direction_json(const DirectionComparison& direction) {
  const Json intervals = to_json(direction.intervals);
  Json json = Json::object();
  for (std::size_t m = 0; m < kMeasures; ++m)
    json[kMeasureNames[m]] = {{"against", direction.against[m]},
                              {"difference", direction.difference[m]},
                              {"interval", intervals[kMeasureNames[m]]},
                              {"p", direction.test.p[m]}};
  return json;
}

}  // namespace

Comparison compare_outcomes(const QueryOutcomes& a, const std::string& name, const QueryOutcomes& b,
                            const std::string& other, const BootstrapOptions& bootstrap,
                            const PairedTestOptions& test) {
  require_same_queries(a, name, b, other);
  Comparison comparison;
  comparison.identities = static_cast<std::int64_t>(cluster_sums(a.text_to_image).clusters());
  comparison.text_to_image = compare_direction(a.text_to_image, b.text_to_image, bootstrap, test);
  comparison.image_to_text = compare_direction(a.image_to_text, b.image_to_text, bootstrap, test);
  return comparison;
}

Json to_json(const Comparison& comparison) {
  return {{"identities", comparison.identities},
          {"permutations", comparison.text_to_image.test.permutations},
          {"exact", comparison.text_to_image.test.exact},
          {"text_to_image", direction_json(comparison.text_to_image)},
          {"image_to_text", direction_json(comparison.image_to_text)}};
}

}  // namespace edgeclip
