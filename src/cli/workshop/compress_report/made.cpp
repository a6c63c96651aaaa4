#include "cli/workshop/compress_report/made.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/hash.h"
#include "bundle/calibration.h"
#include "model/checkpoint.h"

namespace edgeclip::compress_report {

namespace fs = std::filesystem;

namespace {

void add(Call& call, const std::string& flag, const Argument& value) {
  call.arguments.push_back(Argument::plain(flag));
  call.arguments.push_back(value);
}
void add(Call& call, const std::string& flag, const std::string& value) { add(call, flag, Argument::plain(value)); }

std::string numbers(const std::vector<int>& values) {
  std::string text;
  for (const int value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
  return text;
}

void add_merging(Call& call, const Row& row) {
  if (!row.token_merging.empty()) add(call, "--token-merging", numbers(row.token_merging));
  if (row.token_budget > 0) add(call, "--token-budget", fmt::format("{}", row.token_budget));
}

/// A checkpoint that somebody else made, with the base that an adapter's names.
Argument given_checkpoint(const std::string& path) {
  std::string identity;
  for (const fs::path& folder : checkpoint_sources(path)) identity += Argument::contents(folder).identity;
  return Argument::of(fs::absolute(path).lexically_normal(), hash_text(identity));
}

/// A setting, by the contents of what it names where that is a file or a checkpoint.
Argument setting_of(const std::string& setting) {
  const std::string value = setting.substr(std::min(setting.size(), setting.find('=') + 1));
  std::error_code ignored;
  const bool is_file = fs::is_regular_file(value, ignored);
  if (!is_file && !fs::exists(fs::path(value) / "config.json", ignored)) return Argument::plain(setting);
  return Argument::of(setting, setting + '\n' + (is_file ? hash_file(value) : given_checkpoint(value).identity));
}

void add_settings(Call& call, const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) add(call, "--set", setting_of(setting));
}

std::int64_t onnx_bytes(const fs::path& bundle) {
  std::int64_t bytes = 0;
  for (const char* tower : {"image.onnx", "text.onnx", "image.onnx.data", "text.onnx.data"})
    if (fs::exists(bundle / tower)) bytes += static_cast<std::int64_t>(fs::file_size(bundle / tower));
  EDGECLIP_CHECK(bytes > 0, "{} has no models", bundle.string());
  return bytes;
}

std::string of_seed(const std::string& name, int seed) { return seed == 0 ? name : fmt::format("{}, seed {}", name, seed); }

}  // namespace

void Maker::add_data(Call& call) const {
  add(call, "--data", Argument::of(place_.data, place_.data_hash));
  if (!place_.image_root.empty()) add(call, "--image-root", Argument::of(place_.image_root, ""));
}

Call Maker::call_for(const std::string& name, int seed, bool judged) {
  const Network& network = plan_.networks.at(name);
  const bool prunes = network.command == "prune";
  const std::string prefix = prunes ? "recovery." : "";
  Call call{network.command, prunes ? Call::Makes::kPruned : Call::Makes::kRun, {}};
  if (judged) call.makes = Call::Makes::kNothing;
  if (!network.config.empty()) add(call, "--config", Argument::contents(network.config));
  add_data(call);
  add_settings(call, network.set);
  add(call, "--set", fmt::format("{}seed={}", prefix, seed));
  if (!network.from.empty())
    add(call, prunes ? "--checkpoint" : "--init", judged ? start_to_judge(network) : checkpoint_of(network.from, seed));
  if (!network.teacher.empty()) {
    const Argument teacher = judged ? Argument::plain("(made later)") : checkpoint_of(network.teacher, 0);
    add(call, "--set",
        Argument::of(fmt::format("{}losses.distillation.teacher={}", prefix, teacher.text), "teacher " + teacher.identity));
  }
  return call;
}

/// What a network goes on with, where there is one already.
Argument Maker::start_to_judge(const Network& network) const {
  const std::string& given = plan_.networks.at(network.from).checkpoint;
  return Argument::plain(given.empty() ? "(made later)" : given);
}

/// A training that goes on with a network which is not there yet, without all that is compared with that one: architecture,
/// preprocessing, adapter.
Call Maker::judged_alone(const Network& network) const {
  const auto of_start = [](const std::string& setting) {
    const std::string key = setting.substr(0, setting.find_first_of(".="));
    return key == "model" || key == "image" || key == "adapter";
  };
  Call call{network.command};
  const Json config = network.config.empty() ? Json::object() : read_json(network.config);
  for (const auto& [key, value] : config.items())
    if (!of_start(key)) add(call, "--set", key + "=" + value.dump());
  add_data(call);
  for (const std::string& setting : network.set)
    if (!of_start(setting)) add(call, "--set", setting);
  if (!network.teacher.empty()) add(call, "--set", "losses.distillation.teacher=(made later)");
  return call;
}

void Maker::judge() {
  for (const auto& [name, network] : plan_.networks) {
    if (!network.checkpoint.empty()) {
      read_checkpoint_head(network.checkpoint);
      continue;
    }
    const bool starts_unknown = network.command == "train" && !network.from.empty() && plan_.networks.at(network.from).checkpoint.empty();
    Call call = starts_unknown ? judged_alone(network) : call_for(name, 0, true);
    add(call, "--out", "(made later)");
    call.arguments.push_back(Argument::plain("--print-config"));
    steps_.check(call, name);
  }
  for (const Row& row : plan_.rows) {
    if (row.quantize_set.empty()) continue;
    Call call{"quantize"};
    add_settings(call, row.quantize_set);
    call.arguments.push_back(Argument::plain("--print-config"));
    steps_.check(call, row.name);
  }
}

Argument Maker::checkpoint_of(const std::string& name, int seed) {
  const Network& network = plan_.networks.at(name);
  if (!network.checkpoint.empty()) {
    const auto known = given_.find(name);
    return known != given_.end() ? known->second : given_.emplace(name, given_checkpoint(network.checkpoint)).first->second;
  }
  return Argument::made_by(steps_.run(call_for(name, seed, false), of_seed(name, seed)));
}

MadeRow Maker::make(const Row& row, int seed) {
  const std::string what = of_seed(row.name, seed);
  MadeRow made;
  made.checkpoint = checkpoint_of(row.network, seed);
  Call exporting{"export", Call::Makes::kArtifact, {Argument::plain("--no-verify")}};
  add(exporting, "--checkpoint", made.checkpoint);
  add_merging(exporting, row);
  const Step* bundle = &steps_.run(exporting, what);
  made.bundle = Argument::made_by(*bundle);
  if (row.quantize != "none") {
    Call quantizing{"quantize", Call::Makes::kArtifact, {}};
    add(quantizing, "--bundle", made.bundle);
    add(quantizing, "--method", row.quantize);
    // A network that was trained with int8 in the loop has its ranges.
    const fs::path own = fs::path(made.bundle.text) / kCalibrationFile;
    const bool learned = row.quantize == "static" && fs::exists(own);
    const bool measures = std::any_of(row.quantize_set.begin(), row.quantize_set.end(),
                                      [](const std::string& setting) { return setting.rfind("max_recall_loss=", 0) == 0; });
    if (learned) add(quantizing, "--calibration", Argument::contents(own));
    if (row.quantize == "static" && (!learned || measures)) add_data(quantizing);
    add_settings(quantizing, row.quantize_set);
    bundle = &steps_.run(quantizing, what);
    made.bundle = Argument::made_by(*bundle);
  }
  made.bundle_report = bundle->report;
  Call building{"build", Call::Makes::kArtifact, {}};
  add(building, "--bundle", made.bundle);
  add(building, "--precision", row.built_as());
  if (row.quantize == "none" && (row.built_as() == "int8" || row.built_as() == "mixed")) {
    add(building, "--calibration", Argument::of(place_.data, place_.data_hash));
    if (!place_.image_root.empty()) add(building, "--image-root", Argument::of(place_.image_root, ""));
  }
  made.plan = &steps_.run(building, what);
  made.onnx_bytes = onnx_bytes(made.bundle.text);
  return made;
}

const Json& Maker::evaluated(const Row& row, const MadeRow& made, int seed) {
  Call call{"evaluate"};
  call.on_device = true;
  add(call, "--plan", Argument::made_by(*made.plan));
  add_data(call);
  add(call, "--split", place_.split);
  return steps_.run(call, of_seed(row.name, seed)).report;
}

const Json& Maker::verified(const Row& row, const MadeRow& made, int seed) {
  Call call{"verify"};
  call.may_fall_short = true;
  add(call, "--bundle", made.bundle);
  add(call, "--plan", Argument::made_by(*made.plan));
  return steps_.run(call, of_seed(row.name, seed)).report;
}

const Json& Maker::profiled(const Row& row, const MadeRow& made) {
  Call call{"profile"};
  add(call, "--checkpoint", made.checkpoint);
  add(call, "--tokens", std::to_string(place_.tokens));
  add_merging(call, row);
  return steps_.run(call, row.name).report;
}

const Json& Maker::measured(const Row& row, const MadeRow& made, const std::string& together, int round) {
  Call call{"bench"};
  call.on_device = true;
  call.variant = fmt::format("round {} of {}", round, together);
  add(call, "--plan", Argument::made_by(*made.plan));
  add_data(call);
  add(call, "--split", place_.split);
  add(call, "--queries", std::to_string(place_.queries));
  call.arguments.push_back(Argument::plain("--towers"));
  return steps_.run(call, fmt::format("{}, round {}", row.name, round + 1)).report;
}

}  // namespace edgeclip::compress_report
