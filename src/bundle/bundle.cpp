#include "bundle/bundle.h"

#include "base/artifact.h"
#include "base/build_info.h"
#include "base/file.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// Format 2: int8 without ranges of activations, which versions that know format 1 alone would take for a float32 model.
constexpr ArtifactFormats kBundleFormats{1, 2};
constexpr const char* kBundleJson = "bundle.json";

}  // namespace

Bundle open_bundle(const fs::path& directory) {
  require_directory(directory, "bundle");
  const fs::path file = directory / kBundleJson;
  const std::string where = file.string();
  const Json json = read_artifact_head(file, kBundleFormats, "export the bundle again");
  Bundle bundle;
  bundle.directory = directory;
  options_from_json(json_at(json, "card", where), bundle.card, where + ": card");
  bundle.precision = json_get<std::string>(json, "precision", where);
  if (bundle.precision != "fp32" && bundle.precision != "int8")
    invalid_input("{}: precision: \"{}\" is neither \"fp32\" nor \"int8\"", where, bundle.precision);
  if (json.contains("quantization"))  // bundles of earlier versions are static
    options_from_json(json["quantization"], bundle.quantization, where + ": quantization");
  if (json.contains("merges_tokens")) bundle.merges_tokens = json_get<bool>(json, "merges_tokens", where);
  bundle.provenance = json_at(json, "provenance", where);
  const Json& files = json_at(json, "files", where);
  check_file_table(directory, files, where);
  for (const char* name : {"image.onnx", "text.onnx", "reference.safetensors"})
    if (!files.contains(name))
      invalid_input("{}: files: {} is not listed; export the bundle again", where, name);
  require_directory(bundle.tokenizer(), "tokenizer");
  return bundle;
}

void write_bundle_json(const fs::path& work, const Bundle& bundle) {
  Json json = Json::object();
  json["format"] = bundle.precision == "int8" && bundle.quantization.method == "dynamic" ? 2 : 1;
  json["edgeclip"] = version();
  json["card"] = options_to_json(bundle.card);
  json["precision"] = bundle.precision;
  if (bundle.precision == "int8") json["quantization"] = options_to_json(bundle.quantization);
  if (bundle.merges_tokens) json["merges_tokens"] = true;
  json["provenance"] = bundle.provenance.is_null() ? Json::array() : bundle.provenance;
  json["files"] = file_table(work, kBundleJson);
  write_json(work / kBundleJson, json);
}

}  // namespace edgeclip
