#include "export/huggingface.h"

#include <map>

#include "base/artifact.h"
#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/error.h"
#include "base/log.h"
#include "base/safetensors.h"
#include "bundle/bundle.h"
#include "model/config/token_merging.h"
#include "model/lora/adapter_file.h"

namespace edgeclip {

namespace {

/// By which such a folder is known as ours, beside the files that transformers reads.
constexpr const char* kMarker = "edgeclip.json";
constexpr int kFormat = 1;

template <class Tower>
Json tower_config(const Tower& tower, const char* model_type, const std::string& where) {
  for (const int size : tower.intermediate_size)
    if (size != tower.intermediate_size.front())
      invalid_input("{}: its layers have different numbers of MLP neurons, which a CLIPModel cannot have",
                    where);
  if (!tower.layer_heads.empty())
    invalid_input("{}: heads were cut off its layers, which a CLIPModel cannot have", where);
  return {{"model_type", model_type},
          {"hidden_size", tower.hidden_size},
          {"num_hidden_layers", tower.num_hidden_layers},
          {"num_attention_heads", tower.num_attention_heads},
          {"intermediate_size", tower.intermediate_size.front()},
          {"hidden_act", tower.hidden_act},
          {"layer_norm_eps", tower.layer_norm_eps},
          {"attention_dropout", 0.0}};
}

Json model_config(const DualEncoder& model, const std::string& where) {
  const VisionConfig& v = model->config.vision;
  const TextConfig& t = model->config.text;
  const auto refuse = [&](const std::string& what) {
    invalid_input("{}: {}, which a CLIPModel is not; export it as a bundle (--format onnx)", where, what);
  };
  if (v.model_type != "vit") refuse("its image tower is a " + v.model_type);
  if (merges_tokens(v)) refuse("its image tower merges tokens");
  if (v.pooling != "class") refuse("its image tower pools the mean of the patches");
  if (t.model_type != "clip_text") refuse("its text tower is a " + t.model_type);
  if (!model->config.visual_projection.is_linear() || !model->config.text_projection.is_linear())
    refuse("it has MLP heads");
  // transformers takes an eos_token_id of 2 for the old convention, the largest id.
  if (t.end_pooling == "first_end" && t.eos_token_id == 2)
    refuse("its texts end at the first token 2, which transformers reads as the largest id");
  if (t.end_pooling == "largest_id" && t.eos_token_id != t.vocab_size - 1)
    refuse(fmt::format("its texts end at their largest id, not at the first {}", t.eos_token_id));
  if (v.image_height != v.image_width)
    invalid_input("{}: its images are {} x {} (height x width); a CLIPModel's are square", where,
                  v.image_height, v.image_width);
  Json vision = tower_config(v, "clip_vision_model", where), text = tower_config(t, "clip_text_model", where);
  vision["image_size"] = v.image_height;
  vision["patch_size"] = v.patch_size;
  vision["num_channels"] = 3;
  vision["projection_dim"] = text["projection_dim"] = model->config.projection_dim;
  text["vocab_size"] = t.vocab_size;
  text["max_position_embeddings"] = t.max_position_embeddings;
  text["bos_token_id"] = t.bos_token_id;
  text["eos_token_id"] = t.eos_token_id;
  text["pad_token_id"] = t.pad_token_id;
  return {{"architectures", {"CLIPModel"}},
          {"model_type", "clip"},
          {"projection_dim", model->config.projection_dim},
          {"logit_scale_init_value", model->config.logit_scale_init},
          {"initializer_factor", 1.0},
          {"torch_dtype", "float32"},
          {"vision_config", vision},
          {"text_config", text}};
}

/// CLIPImageProcessor's configuration.
Json processor_config(const ImageTransform& image, const std::string& where) {
  const std::map<std::string, int> numbers = {// PIL.Image.Resampling
                                              {"nearest", 0},
                                              {"lanczos", 1},
                                              {"bilinear", 2},
                                              {"bicubic", 3},
                                              {"box", 4}};
  EDGECLIP_CHECK(numbers.count(image.filter) == 1, "filter {}", image.filter);
  const bool crop = image.resize == "shortest_crop";
  const Json whole = {{"height", image.height}, {"width", image.width}};
  if (crop && image.crop_rounding != "floor")
    spdlog::warn(
        "{}: transformers' centre crop rounds half a pixel down, this model's to even: images with an odd "
        "margin differ",
        where);
  return {
      {"image_processor_type", "CLIPImageProcessor"},
      {"do_convert_rgb", true},
      {"do_resize", true},
      {"size", crop ? Json{{"shortest_edge", image.shortest > 0 ? image.shortest : image.height}} : whole},
      {"resample", numbers.at(image.filter)},
      {"do_center_crop", crop},
      {"crop_size", whole},
      {"do_rescale", true},
      {"rescale_factor", 1.0 / 255},
      {"do_normalize", true},
      {"image_mean", image.mean},
      {"image_std", image.std}};
}

/// CLIP's vocab.json and merges.txt are what save() writes; transformers needs to know how they are used.
void write_tokenizer(const Checkpoint& checkpoint, const std::filesystem::path& folder,
                     const std::string& where) {
  const auto& tokenizer = checkpoint.tokenizer;
  if (!tokenizer) {
    spdlog::warn("{}: has no tokenizer, so none is written", where);
    return;
  }
  tokenizer->save(folder);
  const auto model = json_get<std::string>(read_json(folder / kTokenizerFile), "type", kTokenizerFile);
  if (model != "clip") {
    spdlog::warn("{}: its tokenizer ({}) is none of CLIPProcessor's; load {} yourself", where, model,
                 kTokenizerFile);
    return;
  }
  write_json(folder / "tokenizer_config.json",
             Json{{"tokenizer_class", "CLIPTokenizer"},
                  {"bos_token", tokenizer->piece(tokenizer->begin_id())},
                  {"eos_token", tokenizer->piece(tokenizer->end_id())},
                  {"unk_token", tokenizer->piece(tokenizer->end_id())},
                  {"pad_token", tokenizer->piece(tokenizer->pad_id())},
                  {"do_lower_case", true},
                  {"model_max_length", checkpoint.config.text.max_position_embeddings}});
}

}  // namespace

Json export_huggingface(const ExportOptions& options) {
  AtomicDirectory out(options.out, kMarker,
                      {options.overwrite, checkpoint_sources(options.checkpoint, options.adapter)});
  Checkpoint checkpoint = load_checkpoint(options.checkpoint, options.adapter);
  const bool separate = options.separate_adapter;
  if (separate && !checkpoint.model->has_lora())
    invalid_input("{}: no adapter of it is in use; name one with --adapter, or leave --separate-adapter out",
                  options.checkpoint);
  const std::string adapter = !checkpoint.model->has_lora() ? "none" : separate ? "separate" : "merged";
  if (adapter == "merged") checkpoint.model->merge_lora();
  const Json config = model_config(checkpoint.model, options.checkpoint);
  const Json processor = processor_config(checkpoint.card.image, options.checkpoint);
  const NamedTensors tensors = model_tensors(checkpoint.model);
  write_safetensors(out.work() / "model.safetensors", tensors, {{"format", "pt"}});
  if (separate) {
    std::filesystem::create_directory(out.work() / "adapter");
    write_adapter(checkpoint.model->adapters.adapter(), out.work() / "adapter");
  }
  write_json(out.work() / "config.json", config);
  write_json(out.work() / "preprocessor_config.json", processor);
  write_tokenizer(checkpoint, out.work(), options.checkpoint);
  write_json(out.work() / kMarker, {{"format", kFormat},
                                    {"edgeclip", version()},
                                    {"checkpoint", options.checkpoint},
                                    {"files", file_table(out.work(), kMarker)}});
  out.commit();
  return {{"checkpoint", options.checkpoint},
          {"out", options.out},
          {"format", "hf"},
          {"adapter", adapter},
          {"tensors", tensors.size()}};
}

}  // namespace edgeclip
