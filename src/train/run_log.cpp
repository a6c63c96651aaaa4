#include "train/run_log.h"

namespace edgeclip {

namespace {

void flatten(const Json& value, const std::string& name,
             std::vector<std::pair<std::string, double>>& scalars) {
  if (value.is_number()) scalars.emplace_back(name, value.get<double>());
  if (!value.is_object()) return;
  for (const auto& [key, inner] : value.items()) flatten(inner, name + "/" + key, scalars);
}

}  // namespace

RunLog::RunLog(std::filesystem::path metrics, std::filesystem::path events, std::int64_t keep_until)
    : metrics_(std::move(metrics), keep_until), events_(std::move(events), keep_until) {}

void RunLog::write(const Json& line) {
  metrics_.write(line);
  if (const auto scalars = scalars_of(line); !scalars.empty())
    events_.scalars(line.at("step").get<std::int64_t>(), scalars);
}

void RunLog::gradient_norms(std::int64_t step,
                            const std::vector<std::pair<std::string, std::vector<double>>>& norms) {
  std::vector<std::pair<std::string, Histogram>> histograms;
  for (const auto& [name, values] : norms)
    if (Histogram h = Histogram::of(values); !h.limits.empty())
      histograms.emplace_back("grad_norm/" + name, std::move(h));
  if (!histograms.empty()) events_.histograms(step, histograms);
}

std::vector<std::pair<std::string, double>> scalars_of(const Json& line) {
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [key, value] : line.items())
    if (key != "step") flatten(value, key == "val" ? key : "train/" + key, scalars);
  return scalars;
}

}  // namespace edgeclip
