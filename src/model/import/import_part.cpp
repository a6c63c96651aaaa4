#include "model/import/import_part.h"

#include "base/error.h"
#include "base/file.h"

namespace edgeclip {

namespace fs = std::filesystem;

const std::vector<WeightSource>& weight_sources() {
  static const std::vector<WeightSource> sources = {huggingface_source(), open_clip_source(),
                                                    torchvision_source(), distilbert_source()};
  return sources;
}

namespace {

const WeightSource& source_of(const Weights& weights) {
  const auto& sources = weight_sources();
  const auto found =
      std::find_if(sources.begin(), sources.end(), [&](const auto& s) { return s.fits(weights); });
  if (found != sources.end()) return *found;
  std::string known;
  for (const auto& source : sources) known += (known.empty() ? "" : ", ") + std::string(source.what);
  invalid_input("{}: its tensors ({}, ...) have the names of no library that is imported ({})",
                weights.where(), weights.names().empty() ? "none" : weights.names().front(), known);
}

/// The library's file about the architecture, or null.
Json config_of(const ImportPart& part, const std::string& config_file, std::string* where) {
  fs::path file = config_file;
  std::error_code error;
  for (const auto& name : part.source->config_files)
    if (file.empty() && fs::is_regular_file(part.folder() / name, error)) file = part.folder() / name;
  if (file.empty()) return nullptr;
  require_file(file, "model configuration");
  *where = file.string();
  return read_json(file);
}

}  // namespace

fs::path ImportPart::folder() const {
  std::error_code error;
  return fs::is_directory(path, error) ? fs::path(path) : fs::path(path).parent_path();
}

std::string ImportPart::file_name() const {
  const fs::path plain = fs::path(path).lexically_normal();
  return (plain.has_filename() ? plain : plain.parent_path()).filename().string();
}

ImportPart open_import_part(const std::string& path, const std::string& config_file) {
  ImportPart part;
  part.path = path;
  part.weights = Weights::open(path);
  part.source = &source_of(part.weights);
  std::string where;
  const Json config = config_of(part, config_file, &where);
  part.model = part.source->describe(part.weights, config, where);
  part.described_by = where.empty() ? part.weights.where() : where;
  return part;
}

}  // namespace edgeclip
