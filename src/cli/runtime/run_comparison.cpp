#include "cli/runtime/run_comparison.h"

#include "base/threads.h"
#include "builder/compare_precisions.h"
#include "builder/precision/apply_precision.h"
#include "cli/runtime/command.h"
#include "cli/runtime/runnable_model.h"
#include "cli/runtime/texts.h"
#include "engine/runtime/session.h"

namespace edgeclip {

namespace {

/// The two of "A,B".
std::pair<std::string, std::string> two_precisions(const std::string& given) {
  const std::size_t comma = given.find(',');
  if (comma == std::string::npos || given.find(',', comma + 1) != std::string::npos)
    invalid_input("--compare-precisions {}: is not A,B, as in fp32,bf16", given);
  std::pair<std::string, std::string> two{given.substr(0, comma), given.substr(comma + 1)};
  const std::string option = fmt::format("--compare-precisions {}:", given);
  builder::check_precision(two.first, option);
  builder::check_precision(two.second, option);
  return two;
}

std::string decibels(const builder::ComparedValue& value) {
  if (value.equal) return "equal";
  return value.sqnr_db ? fmt::format("{:.1f} dB", *value.sqnr_db) : std::string("not finite");
}

void print_values(const builder::PrecisionComparison& comparison) {
  for (const builder::ComparedValue& one : comparison.values)
    print(fmt::format("{:>10} {}  {:<40} {:<20} {}\n", decibels(one), one.below ? "!" : " ",
                      beginning(one.layer, 40), one.op, one.precision));
  print(fmt::format("{} values compared, {} are in one of the two only\n", comparison.values.size(),
                    comparison.not_compared.size()));
}

}  // namespace

Json compare_runs(const RunComparison& options) {
  builder::GraphDump no_dump("", "", {""}, {});
  std::pair<std::string, std::string> precisions{"fp32", "fp32"};
  if (!options.precisions.empty()) {
    precisions = two_precisions(options.precisions);
    if (is_plan(options.model))
      invalid_input(
          "--compare-precisions: {} is built already, of one precision; name a second plan by --compare-with",
          options.model);
  }
  const bool other_folder = options.with.empty() || (is_plan(options.with) && is_plan(options.model));
  RunnableModel reference = open_runnable(options.model, options.graph, false, precisions.first, no_dump);
  RunnableModel other = open_runnable(options.with.empty() ? options.model : options.with,
                                      other_folder ? options.graph : "", false, precisions.second, no_dump);
  const std::vector<RunInput> inputs = read_inputs(reference, reference.graph, options.input);
  for (const RunnableModel* model : {&reference, &other}) check_plan_shapes(*model, model->graph, inputs);

  builder::CompareOptions how;
  how.sqnr_limit_db = options.sqnr_limit;
  how.memory_pool_mb = options.memory_pool_mb;
  how.threads = thread_count();
  builder::PrecisionComparison comparison;
  try {
    comparison = builder::compare_precisions(std::move(reference.graph), std::move(other.graph),
                                             views_of(inputs), how);
  } catch (const InvalidInput& error) {
    throw InvalidInput(with_files(
        error, options.with.empty() ? options.model : options.model + " and " + options.with, inputs));
  }
  print_values(comparison);
  Json report = {{"model", options.model},
                 {"compared_with", options.with.empty() ? Json(nullptr) : Json(options.with)}};
  if (!options.precisions.empty()) report["precisions"] = Json::array({precisions.first, precisions.second});
  report["comparison"] = builder::to_json(comparison);
  if (comparison.values.empty())
    invalid_input("{}: nothing can be compared: the two have no value of floats of the same name",
                  options.with.empty() ? options.model : options.with);
  if (comparison.first_below) {
    const builder::ComparedValue& first = comparison.values[*comparison.first_below];
    throw CheckNotMetWithReport(fmt::format("layer {} ({}) is the first below {:g} dB: {}", first.layer,
                                            first.op, options.sqnr_limit, decibels(first)),
                                report);
  }
  return report;
}

}  // namespace edgeclip
