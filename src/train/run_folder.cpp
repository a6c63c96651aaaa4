#include "train/run_folder.h"

#include "base/artifact.h"
#include "base/build_info.h"
#include "base/error.h"
#include "base/file.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr int kRunFormat = 1;

/// The dotted path of the first value that differs, or "".
std::string first_difference(const Json& a, const Json& b, const std::string& path) {
  if (!a.is_object() || !b.is_object()) return a == b ? "" : path;
  for (const auto& item : b.items()) {
    const std::string key = path.empty() ? item.key() : path + "." + item.key();
    if (!a.contains(item.key())) return key;
    const std::string inner = first_difference(a[item.key()], item.value(), key);
    if (!inner.empty()) return inner;
  }
  return "";
}

std::string value_at(Json json, const std::string& path) {
  for (std::size_t begin = 0;;) {
    const auto dot = path.find('.', begin);
    const std::string key = path.substr(begin, dot == std::string::npos ? dot : dot - begin);
    if (!json.is_object() || !json.contains(key)) return "not set";
    const Json inner = json[key];
    json = inner;
    if (dot == std::string::npos) return json.dump();
    begin = dot + 1;
  }
}

}  // namespace

RunFolder::RunFolder(const fs::path& directory, Use use)
    : directory_(directory.has_filename() ? directory : directory.parent_path()) {
  if (directory_.empty()) throw InvalidInput("--out: the run folder is missing");
  if (use == Use::kResume) {
    if (!fs::is_regular_file(state()) || !fs::is_regular_file(run_json()))
      invalid_input("{}: holds no state.safetensors and run.json to resume from; train without --resume",
                    directory_.string());
  }
  require_writable(directory_);
  if (!fs::exists(directory_)) return;
  if (!fs::is_directory(directory_))
    invalid_input("{}: is not a folder; choose another --out", directory_.string());
  std::error_code error;
  if (!fs::is_empty(directory_, error) && !is_artifact_head(run_json()))
    invalid_input(
        "{}: holds other files and no run.json of edgeclip, so nothing is written there; choose another "
        "--out",
        directory_.string());
  if (use == Use::kNew && (fs::exists(state()) || fs::exists(best()) || fs::exists(final())))
    invalid_input(
        "{}: holds a trained run; go on with --resume, replace it with --overwrite, or choose another --out",
        directory_.string());
}

void RunFolder::start(const Json& description) const {
  // run.json is replaced last: a folder left half-way is still known as a run.
  for (const fs::path& path : {state(), best(), final(), metrics()}) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error)
      invalid_input("{}: cannot be removed: {}; choose another --out", path.string(), error.message());
  }
  Json json = {{"format", kRunFormat}, {"edgeclip", version()}};
  json.update(description);
  write_json(run_json(), json);
}

Json RunFolder::description() const {
  Json json = read_artifact_head(run_json(), kRunFormat, "train without --resume");
  if (auto options = json.find("options");
      options != json.end() && options->is_object() && options->contains("flip")) {
    // The flip was a switch once, and blind to sides.
    (*options)["augment"]["flip"] = {{"probability", options->at("flip") == true ? 0.5 : 0.0},
                                     {"sides", "ignore"}};
    options->erase("flip");
  }
  return json;
}

void require_same_options(const Json& before, const Json& now, const std::string& where) {
  const std::string path = first_difference(before, now, "");
  if (!path.empty())
    invalid_input(
        "{}: {} was {} and is now {}; resume with the options the run was started with, or choose another "
        "--out",
        where, path, value_at(before, path), value_at(now, path));
}

}  // namespace edgeclip
