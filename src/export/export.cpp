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

Json write_graph(const std::filesystem::path& path, GraphBuilder& builder, const std::string& weights,
                 onnx_ir::ExternalData external) {
  builder.set_metadata("edgeclip.weights", weights);
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
  const std::string hash = weights_hash(checkpoint.model);
  const auto external = options.external_data ? onnx_ir::ExternalData::kAlways : onnx_ir::ExternalData::kAuto;
  emit_image_tower(image, checkpoint.model);
  report["image"] = write_graph(out.work() / "image.onnx", image, hash, external);
  emit_text_tower(text, checkpoint.model);
  report["text"] = write_graph(out.work() / "text.onnx", text, hash, external);
  const int image_nodes = report["image"]["nodes"], text_nodes = report["text"]["nodes"];
  if (report["image"]["checked"])
    spdlog::info("image tower: {} nodes, text tower: {} nodes, both pass the ONNX checker", image_nodes, text_nodes);
  else
    spdlog::info("image tower: {} nodes, text tower: {} nodes; libonnx's checker does not know opset {} yet", image_nodes,
                 text_nodes, options.opset);

  checkpoint.tokenizer->save(out.work() / "tokenizer");
  const NamedTensors reference = reference_tensors(checkpoint.model);
  write_safetensors(out.work() / "reference.safetensors", reference);
  report["reference_cases"] = reference.size() / 2;

  Bundle bundle;
  bundle.directory = out.work();
  bundle.card = card_of(checkpoint.model, checkpoint.card);
  bundle.provenance = checkpoint.provenance.is_array() ? checkpoint.provenance : Json::array();
  bundle.provenance.push_back(
      {{"command", "export"},
       {"version", version()},
       {"options",
        {{"checkpoint", options.checkpoint}, {"adapter", options.adapter}, {"opset", options.opset}}}});
  write_bundle_json(out.work(), bundle);
  out.commit();
  return report;
}

}  // namespace edgeclip
