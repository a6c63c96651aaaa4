#include "cli/runtime/artifact_info.h"

#include <onnx/onnx_pb.h>

#include <cctype>
#include <fstream>
#include <map>
#include <set>

#include "base/artifact.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/npy.h"
#include "base/options.h"
#include "base/safetensors.h"
#include "bundle/bundle.h"
#include "bundle/model_card.h"
#include "cli/runtime/plan_graphs.h"
#include "data/dataset/dataset.h"
#include "data/image/image.h"
#include "data/image/media.h"
#include "engine/plan/plan.h"
#include "engine/plan/plan_file.h"
#include "onnx/graph_builder.h"
#include "retrieval/gallery/snapshot.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

std::uintmax_t bytes_below(const fs::path& path) {
  if (fs::is_regular_file(path)) return fs::file_size(path);
  std::uintmax_t sum = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path))
    if (entry.is_regular_file()) sum += entry.file_size();
  return sum;
}

void describe_npy(const fs::path& path, Json& info) {
  const Tensor tensor = map_npy(path);
  info["dtype"] = dtype_name(tensor.dtype());
  info["shape"] = tensor.shape();
}

void describe_safetensors(const fs::path& path, Json& info) {
  const SafetensorsFile file(path);
  std::int64_t elements = 0;
  Json tensors = Json::object();
  for (const auto& name : file.names()) {
    const Tensor tensor = file.get(name);
    elements += tensor.elements();
    tensors[name] = fmt::format("{} {}", dtype_name(tensor.dtype()), shape_string(tensor.shape()));
  }
  info["elements"] = elements;
  if (!file.metadata().empty()) info["metadata"] = file.metadata();
  info["tensors"] = std::move(tensors);
}

std::string onnx_type(int type) {
  try {
    return dtype_name(onnx_ir::dtype_from_onnx(type, ""));
  } catch (const InvalidInput&) {  // one that the engine does not have
    std::string name = onnx::TensorProto_DataType_Name(static_cast<onnx::TensorProto_DataType>(type));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return name.empty() ? "?" : name;
  }
}

std::string onnx_shape(const onnx::TypeProto_Tensor& type) {
  if (!type.has_shape()) return "(...)";
  std::vector<std::string> dims;
  for (const auto& dim : type.shape().dim())
    dims.push_back(dim.has_dim_value()       ? std::to_string(dim.dim_value())
                   : dim.dim_param().empty() ? std::string("?")
                                             : dim.dim_param());
  return fmt::format("({})", fmt::join(dims, ", "));
}

/// {name: shape}; their types go to `types`, {name: type}.
Json onnx_ports(const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& ports,
                const std::set<std::string>& constants, Json& types) {
  Json list = Json::object();
  for (const auto& port : ports) {
    if (constants.count(port.name()) != 0) continue;
    list[port.name()] = onnx_shape(port.type().tensor_type());
    types[port.name()] = onnx_type(port.type().tensor_type().elem_type());
  }
  return list;
}

void describe_onnx(const fs::path& path, Json& info) {
  const onnx::ModelProto model = onnx_ir::read_model(path);
  info["ir_version"] = model.ir_version();
  for (const auto& opset : model.opset_import())
    info["opset"][opset.domain().empty() ? "ai.onnx" : opset.domain()] = opset.version();
  std::set<std::string> constants;
  std::set<std::string> beside;  // files that hold weights
  for (const auto& tensor : model.graph().initializer()) {
    constants.insert(tensor.name());
    for (const auto& entry : tensor.external_data())
      if (entry.key() == "location") beside.insert(entry.value());
  }
  if (!beside.empty()) info["external_data"] = beside;
  Json types = Json::object();
  info["inputs"] = onnx_ports(model.graph().input(), constants, types);
  info["outputs"] = onnx_ports(model.graph().output(), {}, types);
  info["dtype"] = types;
  info["initializers"] = constants.size();
  std::map<std::string, int> operators;
  for (const auto& node : model.graph().node()) ++operators[node.op_type()];
  info["nodes"] = model.graph().node_size();
  info["operators"] = operators;
}

void describe_plan_file(const fs::path& path, Json& info) {
  const engine::Graph graph = engine::read_plan_graph(path);
  std::map<std::string, int> operators;
  for (const auto& node : graph.nodes()) {
    graph.verify_attributes(node);
    graph.verify_constants(node.inputs);
    ++operators[node.op];
  }
  info["graph"] = graph.name;
  info["nodes"] = graph.nodes().size();
  info["operators"] = operators;
}

void describe_dataset(const fs::path& path, Json& info) {
  const Dataset dataset = open_dataset(path);
  info["pairs"] = dataset.pairs.size();
  info["images"] = dataset.images.size();
  std::map<std::string, std::set<std::int64_t>> people;
  std::map<std::string, int> images;
  for (const auto& image : dataset.images) {
    people[image.split].insert(image.id);
    ++images[image.split];
  }
  for (const auto& [split, ids] : people)
    info["splits"][split] = {{"images", images[split]}, {"people", ids.size()}};
  info["context_length"] = dataset.context_length;
  info["vocab_size"] = dataset.tokenizer->vocab_size();
  info["image_root"] = dataset.image_root.string();
}

void describe_bundle(const fs::path& path, Json& info) {
  const Bundle bundle = open_bundle(path);
  info["precision"] = bundle.precision;
  if (bundle.precision == "int8") info["quantization"] = options_to_json(bundle.quantization);
  info["card"] = options_to_json(bundle.card);
  info["provenance"] = bundle.provenance;
}

/// The card without what it holds for other tasks alone: keys that this one needs, and those that somebody
/// set.
Json card_of_task(const Json& card, const std::string& where) {
  static const std::map<std::string, std::set<std::string>> needs = {
      {"classifier", {"image", "classes"}},
      {"clip_classifier", {"image", "classes", "clip"}},
      {"features", {"image"}},
      {"dual_encoder",
       {"image", "context_length", "vocab_size", "begin_id", "end_id", "pad_id", "embedding_dim",
        "logit_scale", "activation"}}};
  ModelCard parsed;
  options_from_json(card, parsed, where);
  const Json all = options_to_json(parsed), usual = options_to_json(ModelCard());
  const auto needed = needs.find(parsed.task);
  Json held = Json::object();
  for (const auto& [key, value] : all.items())
    if (key == "task" || key == "name" || value != usual.at(key) ||
        (needed != needs.end() && needed->second.count(key) > 0))
      held[key] = value;
  return held;
}

void describe_plan(const fs::path& path, Json& info) {
  const engine::PlanInfo plan = engine::open_plan_info(path);
  engine::check_plan_files(plan);
  info["precision"] = plan.precision;
  info["batches"] = plan.batches;
  info["memory_pool_mb"] = plan.memory_pool_mb;
  info["model_hash"] = plan.model_hash;
  info["card"] = card_of_task(plan.card, (path / "plan.json").string() + ": card: ");
  info["provenance"] = plan.json.value("provenance", Json::array());
  info["graphs"] = plan_graphs(plan);
}

void describe_checkpoint(const fs::path& path, Json& info) {
  const fs::path file = path / "config.json";
  const Json config = read_artifact_head(file, kCheckpointFormats, "train it again");
  check_file_table(path, json_at(config, "files", file.string()), file.string());
  for (const char* key : {"format", "model", "card", "base", "lora", "adapters", "provenance"})
    if (config.contains(key)) info[key] = config.at(key);
  const auto elements = [](const fs::path& file) {
    std::int64_t sum = 0;
    const SafetensorsFile weights(file);
    for (const auto& name : weights.names()) sum += weights.get(name).elements();
    return sum;
  };
  // An adapter's checkpoint may leave its base where it is ("base").
  info["parameters"] =
      fs::exists(path / "model.safetensors") ? Json(elements(path / "model.safetensors")) : Json(nullptr);
  const fs::path adapter = path / "adapter_model.safetensors";
  info["adapter"] = fs::exists(adapter) || !config.value("adapters", Json::array()).empty();
  if (fs::exists(adapter)) info["adapter_parameters"] = elements(adapter);
}

/// What prune leaves when it is interrupted.
void describe_pruning(const fs::path& path, Json& info) {
  const Json json = read_json(path / "prune.json");
  const std::string where = (path / "prune.json").string();
  for (const char* key : {"checkpoint", "data"}) info[key] = json_at(json, key, where);
  const Json& report = json_at(json, "report", where);
  for (const char* part : {"neurons", "heads", "channels", "macs"}) {
    if (part != std::string("neurons") && !report.contains(part)) continue;  // of an older edgeclip
    const Json& counts = json_at(report, part, where + ": report");
    for (const char* key : {"before", "after"}) info[part][key] = json_at(counts, key, where + ": report." + part);
  }
  info["round"] = json.value("round", 1);
  info["pruned"] = Json::object();
  describe_checkpoint(path / "pruned", info["pruned"]);
  info["recovering"] = fs::exists(path / "run/state.safetensors");
}

void describe(const Tokenizer& tokenizer, Json& info) {
  info["vocab_size"] = tokenizer.vocab_size();
  info["begin"] = tokenizer.begin_id();
  info["end"] = tokenizer.end_id();
  info["pad"] = tokenizer.pad_id();
}

void describe_tokenizer(const fs::path& path, Json& info) { describe(*load_tokenizer(path.string()), info); }

void describe_sentencepiece(const fs::path& path, Json& info) {
  describe(*load_tokenizer("sentencepiece:" + path.string()), info);
}

void describe_csv(const fs::path& path, Json& info) {
  const auto rows = read_csv(path);
  info["columns"] = rows.empty() ? Json::array() : Json(rows.front());
  info["rows"] = rows.empty() ? 0 : rows.size() - 1;
}

void describe_metrics(const fs::path& path, Json& info) {
  std::ifstream lines(path);
  std::int64_t steps = 0, validations = 0, number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) invalid_input("{}:{}: is no JSON object", path.string(), number);
    ++(json.contains("val") ? validations : steps);
  }
  info["steps"] = steps;
  info["validations"] = validations;
}

void describe_gallery(const fs::path& path, Json& info) {
  const GallerySnapshot gallery = open_gallery(path);
  const GalleryManifest& manifest = gallery.manifest();
  info["format"] = gallery_format(path);
  info["images"] = gallery.size();
  info["embedding_dim"] = manifest.embedding_dim;
  info["embedding_space"] = manifest.embedding_space;
  info["rows"] = dtype_name(manifest.rows);
  info["complete"] = manifest.complete();
  info["model"] = manifest.model_name;
  info["generation"] = manifest.generation;
  info["sources"] = Json::array();
  for (const GallerySource& source : manifest.sources)
    info["sources"].push_back({{"kind", source.kind},
                               {"path", source.path},
                               {"image_root", source.image_root.string()},
                               {"shard", source.shard},
                               {"complete", source.complete},
                               {"left_out", source.left_out.size()}});
  info["segments"] = Json::array();
  for (const Segment& segment : gallery.segments())
    info["segments"].push_back({{"rows", segment.entry.rows},
                                {"removed", segment.entry.removed},
                                {"model_hash", segment.entry.model_hash},
                                {"precision", segment.entry.precision}});
}

void describe_run(const fs::path& path, Json& info) {
  describe_metrics(path / "metrics.jsonl", info);
  for (const char* name : {"best", "final"}) info[name] = fs::exists(path / name / "config.json");
}

void describe_image(const fs::path& path, Json& info) {
  const Image image = read_image(path);
  info["width"] = image.width;
  info["height"] = image.height;
}

void describe_json(const fs::path& path, Json& info) {
  const Json json = read_json(path);
  info["holds"] = json_kind(json);
  if (json.is_array()) info["entries"] = json.size();
  if (json.is_object() && json.contains("command")) info["report_of"] = json.at("command");
}

using Describe = void (*)(const fs::path&, Json&);
struct Kind {
  const char* marker;  ///< the file that makes a folder this kind, or the end of a file's name
  const char* name;
  Describe describe;
};

constexpr Kind kFolders[] = {
    {"bundle.json", "bundle", describe_bundle},
    {"plan.json", "plan", describe_plan},
    {"gallery.json", "gallery", describe_gallery},
    {"dataset.json", "dataset", describe_dataset},
    {"prune.json", "interrupted pruning", describe_pruning},
    {"model.safetensors", "checkpoint", describe_checkpoint},
    {"edgeclip_tokenizer.json", "tokenizer", describe_tokenizer},
    {"metrics.jsonl", "run", describe_run},
    {"adapter_config.json", "checkpoint", describe_checkpoint},
    {"adapters", "checkpoint", describe_checkpoint},
};
constexpr Kind kFiles[] = {
    {".npy", "npy", describe_npy},    {".safetensors", "safetensors", describe_safetensors},
    {".onnx", "onnx", describe_onnx}, {".plan", "plan file", describe_plan_file},
    {".json", "json", describe_json}, {".jsonl", "metrics log", describe_metrics},
    {".csv", "csv", describe_csv},    {".model", "sentencepiece model", describe_sentencepiece},
};

const Kind* kind_of(const fs::path& path) {
  if (fs::is_directory(path)) {
    for (const auto& kind : kFolders)
      if (fs::exists(path / kind.marker)) return &kind;
    invalid_input(
        "{}: no folder of ours (no bundle.json, plan.json, gallery.json, dataset.json, model.safetensors, "
        "...)",
        path.string());
  }
  for (const auto& kind : kFiles)
    if (path.extension() == kind.marker) return &kind;
  static constexpr Kind kImage = {"", "image", describe_image};
  if (is_image_name(path)) return &kImage;
  invalid_input(
      "{}: no file of ours (known: .npy .safetensors .onnx .plan .json .jsonl .csv .model, images, and our "
      "folders)",
      path.string());
}

}  // namespace

Json artifact_info(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) invalid_input("{}: not found", path.string());
  const Kind* kind = kind_of(path);
  Json info = {{"path", path.string()}, {"kind", kind->name}, {"bytes", bytes_below(path)}};
  kind->describe(path, info);
  return info;
}

}  // namespace edgeclip
