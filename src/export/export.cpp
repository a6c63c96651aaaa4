#include "export/export.h"

#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/log.h"
#include "bundle/bundle.h"
#include "export/emit.h"
#include "export/reference.h"
#include "onnx/model.h"

namespace edgeclip {

namespace {

/// What a file says of itself to those who have it alone.
std::vector<std::pair<const char*, std::string>> metadata_of(const Checkpoint& checkpoint, const std::filesystem::path& tokenizer,
                                                             const Json& provenance) {
  return {{"edgeclip.version", version()},
          {"edgeclip.weights", weights_hash(checkpoint.model)},
          {"edgeclip.card", options_to_json(card_of(checkpoint.model, checkpoint.card)).dump()},
          {"edgeclip.model", options_to_json(checkpoint.config).dump()},
          {"edgeclip.tokenizer", read_json(tokenizer / kTokenizerFile).dump()},
          {"edgeclip.provenance", provenance.dump()}};
}

Json write_graph(const std::filesystem::path& path, GraphBuilder& builder,
                 const std::vector<std::pair<const char*, std::string>>& metadata, onnx_ir::ExternalData external) {
  for (const auto& [key, value] : metadata) builder.set_metadata(key, value);
  const onnx_ir::Model model = builder.model();
  const bool checked = onnx_ir::check_model(model, path.filename().string());
  const auto bytes = onnx_ir::write_model(path, model, external);
  return {{"nodes", model.proto.graph().node_size()}, {"bytes", bytes}, {"checked", checked}};
}

}  // namespace

Json export_bundle(const ExportOptions& options) {
  // Before the work: an opset or an output path that cannot be.
  GraphBuilder image("image", options.opset), text("text", options.opset);
  AtomicDirectory out(options.out, "bundle.json",
                      {options.overwrite, checkpoint_sources(options.checkpoint, options.adapter)});

  Checkpoint checkpoint = load_checkpoint(options.checkpoint, options.adapter);
  if (!checkpoint.tokenizer)
    invalid_input(
        "{}: the checkpoint has no tokenizer/, which a bundle needs; import it again with --tokenizer",
        options.checkpoint);
  const bool merged = checkpoint.model->has_lora();
  if (merged) checkpoint.model->merge_lora();
  checkpoint.model->eval();

  Json report = {{"edgeclip", version()},
                 {"checkpoint", options.checkpoint},
                 {"bundle", options.out},
                 {"opset", options.opset}};
  report["adapter_merged"] = merged;
  Json provenance = checkpoint.provenance.is_array() ? checkpoint.provenance : Json::array();
  checkpoint.tokenizer->save(out.work() / "tokenizer");
  // Before this command is one of them: an export from another place gives the same files.
  const auto metadata = metadata_of(checkpoint, out.work() / "tokenizer", provenance);
  provenance.push_back({{"command", "export"},
                        {"version", version()},
                        {"options",
                         {{"checkpoint", options.checkpoint}, {"adapter", options.adapter}, {"opset", options.opset}}}});
  const auto external = options.external_data ? onnx_ir::ExternalData::kAlways : onnx_ir::ExternalData::kAuto;
  emit_image_tower(image, checkpoint.model);
  report["image"] = write_graph(out.work() / "image.onnx", image, metadata, external);
  emit_text_tower(text, checkpoint.model);
  report["text"] = write_graph(out.work() / "text.onnx", text, metadata, external);
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

  Bundle bundle;
  bundle.directory = out.work();
  bundle.card = card_of(checkpoint.model, checkpoint.card);
  bundle.provenance = provenance;
  write_bundle_json(out.work(), bundle);
  out.commit();
  return report;
}

}  // namespace edgeclip
