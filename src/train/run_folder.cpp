#include "train/run_folder.h"

#include <algorithm>
#include <vector>

#include "base/artifact.h"
#include "base/build_info.h"
#include "base/file.h"
#include "base/io_error.h"
#include "base/remove_tree.h"
#include "train/asked_options.h"
#include "train/run_replacement.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr int kRunFormat = 1;
/// Of loading: a run that was too large for the machine needs others.
constexpr const char* kFreeToLoad[] = {"threads", "queue", "cache_mb"};

}  // namespace

RunFolder::RunFolder(const fs::path& directory, Use use)
    : directory_(directory.has_filename() ? directory : directory.parent_path()),
      next_(directory_ / kNextRun),
      use_(use) {
  if (directory_.empty()) throw InvalidInput("--out: the run folder is missing");
  require_writable(directory_);
  claim_.emplace(directory_);
  sweep_leftovers(directory_);
  if (needs_finishing(directory_)) finish_replacement(directory_);
  if (use == Use::kResume) {
    if (!fs::is_regular_file(state()) || !fs::is_regular_file(run_json()))
      invalid_input("{}: holds no state.safetensors and run.json to resume from; train without --resume",
                    directory_.string());
  }
  if (!fs::exists(directory_)) return;
  if (!fs::is_directory(directory_))
    invalid_input("{}: is not a folder; choose another --out", directory_.string());
  std::error_code error;
  if (!fs::is_empty(directory_, error) && !is_artifact_head(run_json()))
    invalid_input(
        "{}: holds other files and no run.json of edgeclip, so nothing is written there; choose another "
        "--out",
        directory_.string());
  if (use == Use::kNew && holds_trained_run(directory_))
    invalid_input(
        "{}: holds a trained run; go on with --resume, replace it with --overwrite, or choose another --out",
        directory_.string());
  fs::remove_all(next_, error);  // of a process that was killed
}

RunFolder::~RunFolder() {
  if (staged_) remove_tree(next_.c_str());
}

fs::path RunFolder::events() const { return place() / kEvents; }

fs::path RunFolder::examples() const { return place() / kExampleFile; }

fs::path RunFolder::place() const { return staged_ ? next_ : directory_; }

void RunFolder::start(const Json& description) {
  Json json = {{"format", kRunFormat}, {"edgeclip", version()}};
  json.update(description);
  std::error_code error;
  fs::create_directories(directory_, error);
  if (use_ == Use::kOverwrite && holds_trained_run(directory_)) {
    fs::create_directory(next_, error);
    staged_ = !error;
  } else if (!error) {
    fs::remove(metrics(), error);
  }
  if (error) throw_output_error(directory_, error.value());
  write_json(run_json(), json);
}

void RunFolder::keep() {
  if (!staged_) return;
  replace_run(directory_);
  staged_ = false;
}

fs::path RunFolder::checkpoint(std::int64_t step) const {
  return place() / kCheckpoints / fmt::format("step_{:08}", step);
}

fs::path RunFolder::stands_at(const fs::path& path) const { return directory_ / path.lexically_relative(place()); }

void RunFolder::keep_checkpoints(int count) const {
  std::vector<fs::path> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(place() / kCheckpoints, error))
    if (entry.path().filename().string().rfind("step_", 0) == 0) steps.push_back(entry.path());
  std::sort(steps.begin(), steps.end());  // by step: their numbers have leading zeros
  for (std::size_t i = 0; i + static_cast<std::size_t>(count) < steps.size(); ++i) remove_tree(steps[i].c_str());
}

Json RunFolder::description() const { return read_run_description(directory_); }

fs::path latest_run(const fs::path& folder) {
  const auto resumable = [](const fs::path& run) {
    return fs::is_regular_file(run / "state.safetensors") && fs::is_regular_file(run / "run.json");
  };
  if (resumable(folder)) return folder;
  fs::path latest;
  fs::file_time_type saved;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!resumable(entry.path())) continue;
    const auto time = fs::last_write_time(entry.path() / "state.safetensors");
    if (latest.empty() || time > saved) {
      latest = entry.path();
      saved = time;
    }
  }
  return latest;
}

Json read_run_description(const fs::path& run) {
  if (!fs::exists(run / "run.json"))
    invalid_input("{}: holds no state.safetensors and run.json to resume from; train without --resume",
                  run.string());
  Json json = read_artifact_head(run_json_in_force(run), kRunFormat, "train without --resume");
  auto options = json.find("options");
  if (options == json.end() || !options->is_object()) return json;
  if (options->contains("flip")) {
    // The flip was a switch once, and blind to sides.
    (*options)["augment"]["flip"] = {{"probability", options->at("flip") == true ? 0.5 : 0.0},
                                     {"sides", "ignore"}};
    options->erase("flip");
  }
  // Options of an adapter stood there without one once, and had no effect.
  const auto mode = options->find("lora_mode");
  if (mode == options->end() || *mode == "none") options->erase("lora");
  return json;
}

void copy_run_log(const fs::path& run, const fs::path& to) {
  fs::create_directories(to);
  for (const char* name : {"run.json", "metrics.jsonl", kEvents, kExampleFile})
    if (fs::exists(run / name)) fs::copy(run / name, to / name, fs::copy_options::recursive);
}

std::string remembered_path(const Json& record, const char* key, const std::string& asked, const std::string& where) {
  const Json& saved = json_at(record, key, where);
  const std::string before = saved.is_string() ? saved.get<std::string>() : "";
  if (asked.empty() || asked == before) return before;
  if (before.empty() || fs::weakly_canonical(asked) != fs::weakly_canonical(before))
    invalid_input("--{0} {1}: {2} was started {3}; leave --{0} out", key, asked, where,
                  before.empty() ? "without one" : "with " + before);
  return asked;
}

std::string remembered_data(const Json& record, const std::string& asked, const std::string& where) {
  if (!asked.empty()) return asked;
  const auto data = json_get<std::string>(record, "data", where);
  if (!fs::exists(data)) invalid_input("{}: data: {} is not there; name the dataset with --data", where, data);
  return data;
}

void accept_free_options(Json& before, const Json& now) {
  for (const char* key : {"about", "saving"})
    if (now.contains(key)) before[key] = now[key];
  for (const char* key : kFreeToLoad) before["loading"][key] = now["loading"][key];
}

void require_same_options(const Json& before, const Json& now, const std::string& where) {
  const std::string path = first_difference(before, now);
  if (path.empty()) return;
  const std::string change =
      fmt::format("{}: {} was {} and is now {}", where, path, value_at(before, path), value_at(now, path));
  if (path == "epochs" || path == "steps")
    invalid_input(
        "{}; the learning rate falls over all steps of a run, so a longer run is another one: train on with "
        "--init {} and another --out",
        change, (fs::path(where).parent_path() / "final").string());
  invalid_input("{}; resume with the options the run was started with, or choose another --out", change);
}

}  // namespace edgeclip
