#include "export/export.h"

#include "base/artifact.h"
#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/hash.h"
#include "base/log.h"
#include "bundle/bundle.h"
#include "export/emit.h"
#include "export/learned_ranges.h"
#include "export/reference.h"
#include "model/config/token_merging.h"
#include "onnx/model.h"

namespace edgeclip {

namespace {

/// The card that the bundle gets.  weights: of the model as it is exported.  tokenizer: its folder.
ModelCard bundle_card(const Checkpoint& checkpoint, const std::string& weights, const std::filesystem::path& tokenizer) {
  ModelCard card = card_of(checkpoint.model, checkpoint.card);
  // What is as always is left out, so that an option to come changes nothing.
  Json image = options_to_json(card.image);
  const Json usual = options_to_json(ImageTransform());
  for (const auto& [name, value] : usual.items())
    if (image.at(name) == value) image.erase(name);
  card.embedding_space = hash_text(fmt::format("{}\n{}\n{}\n", weights, image.dump(), file_table(tokenizer, "").dump()));
  return card;
}

/// What a file says of itself to those who have it alone.
std::vector<std::pair<const char*, std::string>> metadata_of(const Checkpoint& checkpoint, const ModelCard& card, const std::string& weights,
                                                             const std::filesystem::path& tokenizer, const Json& provenance) {
  return {{"edgeclip.version", version()},
          {"edgeclip.weights", weights},
          {"edgeclip.card", options_to_json(card).dump()},
          {"edgeclip.model", options_to_json(checkpoint.config).dump()},
          {"edgeclip.tokenizer", read_json(tokenizer / kTokenizerFile).dump()},
          {"edgeclip.provenance", provenance.dump()}};
}

Json write_graph(const std::filesystem::path& path, GraphBuilder& builder,
                 const std::vector<std::pair<const char*, std::string>>& metadata, onnx_ir::ExternalData external,
                 const std::function<void(const onnx_ir::Model&)>& look = {}) {
  for (const auto& [key, value] : metadata) builder.set_metadata(key, value);
  const onnx_ir::Model model = builder.model();
  const bool checked = onnx_ir::check_model(model, path.filename().string());
  const auto bytes = onnx_ir::write_model(path, model, external);
  if (look) look(model);
  return {{"nodes", model.proto.graph().node_size()}, {"bytes", bytes}, {"checked", checked}};
}

}  // namespace

Json export_bundle(const ExportOptions& options) {
  // Before the work: an opset or an output path that cannot be.
  GraphBuilder image("image", options.opset), text("text", options.opset);
  AtomicDirectory out(options.out, "bundle.json",
                      {options.overwrite, checkpoint_sources(options.checkpoint, options.adapter)});

  Checkpoint checkpoint = load_checkpoint(options.checkpoint, options.adapter, [&](ModelConfig& config) {
    choose_token_merging(config, options.token_merging, options.token_budget, options.checkpoint);
  });
  if (!checkpoint.tokenizer)
    invalid_input(
        "{}: the checkpoint has no tokenizer/, which a bundle needs; import it again with --tokenizer",
        options.checkpoint);
  const bool learned = has_own_ranges(checkpoint);
  if (checkpoint.ranges && !learned)
    spdlog::warn("{}: has learned to be int8 with other weights than these (another adapter?), so the bundle gets no calibration.json",
                 options.checkpoint);
  const bool merged = checkpoint.model->has_lora();
  if (merged) checkpoint.model->merge_lora();
  checkpoint.model->eval();

  Json report = {{"edgeclip", version()},
                 {"checkpoint", options.checkpoint},
                 {"bundle", options.out},
                 {"opset", options.opset}};
  report["adapter_merged"] = merged;
  const std::vector<int>& merging = checkpoint.config.vision.token_merging;
  if (merges_tokens(checkpoint.config.vision)) {
    report["token_merging"] = merging;
    report["image_tokens"] = tokens_of_layers(checkpoint.config.vision);
  }
  if (options.token_budget > 0)
    spdlog::info("{} tokens are merged in each layer of the image tower, for {} of its multiply-accumulates", merging[0], options.token_budget);
  Json provenance = checkpoint.provenance.is_array() ? checkpoint.provenance : Json::array();
  checkpoint.tokenizer->save(out.work() / "tokenizer");
  // Before this command is one of them: an export from another place gives the same files.
  const std::string weights = weights_hash(checkpoint.model);
  const ModelCard card = bundle_card(checkpoint, weights, out.work() / "tokenizer");
  const auto metadata = metadata_of(checkpoint, card, weights, out.work() / "tokenizer", provenance);
  provenance.push_back({{"command", "export"},
                        {"version", version()},
                        {"options",
                         {{"checkpoint", options.checkpoint}, {"adapter", options.adapter}, {"opset", options.opset}}}});
  if (options.token_budget > 0) provenance.back()["options"]["token_budget"] = options.token_budget;
  if (options.token_budget > 0 || !options.token_merging.empty()) provenance.back()["options"]["token_merging"] = merging;
  const auto external = options.external_data ? onnx_ir::ExternalData::kAlways : onnx_ir::ExternalData::kAuto;
  std::map<std::string, TensorCalibration> image_ranges, text_ranges;
  const auto find_ranges = [&](std::map<std::string, TensorCalibration>& ranges) {
    return [&](const onnx_ir::Model& model) {
      if (learned) ranges = activations_with_ranges(model, *checkpoint.ranges);
    };
  };
  emit_image_tower(image, checkpoint.model);
  report["image"] = write_graph(out.work() / "image.onnx", image, metadata, external, find_ranges(image_ranges));
  emit_text_tower(text, checkpoint.model);
  report["text"] = write_graph(out.work() / "text.onnx", text, metadata, external, find_ranges(text_ranges));
  if (learned) {
    write_json(out.work() / kCalibrationFile,
               learned_calibration(*checkpoint.ranges, std::move(image_ranges), std::move(text_ranges)).to_json());
    spdlog::info("{}: the ranges that the model was trained with; quantize and build take them without data", kCalibrationFile);
  }
  report["learned_ranges"] = learned;
  const ImageTransform* const bytes = options.uint8_pixels ? &checkpoint.card.image : nullptr;
  if (options.uint8_pixels) {
    GraphBuilder from_bytes("image", options.opset);
    emit_image_tower(from_bytes, checkpoint.model, bytes);
    report["image_uint8"] = write_graph(out.work() / "image_uint8.onnx", from_bytes, metadata, external);
  }
  if (options.merged) {
    GraphBuilder whole("model", options.opset);
    emit_dual_encoder(whole, checkpoint.model, bytes);
    report["model"] = write_graph(out.work() / "model.onnx", whole, metadata, external);
  }
  const int image_nodes = report["image"]["nodes"], text_nodes = report["text"]["nodes"];
  if (report["image"]["checked"])
    spdlog::info("image tower: {} nodes, text tower: {} nodes, both pass the ONNX checker", image_nodes, text_nodes);
  else
    spdlog::info("image tower: {} nodes, text tower: {} nodes; libonnx's checker does not know opset {} yet", image_nodes,
                 text_nodes, options.opset);

  const NamedTensors reference = reference_tensors(checkpoint.model);
  write_safetensors(out.work() / "reference.safetensors", reference);
  report["reference_cases"] = reference.size() / 2;
  write_safetensors(out.work() / "layers.safetensors", layer_tensors(checkpoint.model, reference, image.layers(), text.layers()));

  Bundle bundle;
  bundle.directory = out.work();
  bundle.card = card;
  bundle.provenance = provenance;
  bundle.merges_tokens = merges_tokens(checkpoint.config.vision);
  write_bundle_json(out.work(), bundle);
  out.commit();
  return report;
}

}  // namespace edgeclip
