#include <algorithm>

#include "base/artifact.h"
#include "base/build_info.h"
#include "base/file.h"
#include "base/hash.h"
#include "engine/plan/plan.h"
#include "engine/plan/plan_file.h"

namespace edgeclip::engine {

namespace {

constexpr const char* kPlanJson = "plan.json";
constexpr int kMaxBatch = 65536;
constexpr std::int64_t kMostPoolMb = 1 << 24;

/// A graph's name is the name of its file.
bool is_graph_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::string model_hash_of(const Json& graphs, const std::string& where) {
  std::string all;
  for (const auto& [name, hash] : graphs.items())
    all += name + json_get<std::string>(graphs, name.c_str(), where);
  return hash_text(all);
}

void read_shapes(PlanInfo& info, const std::string& where) {
  if (!info.json.contains("shapes")) return;
  const Json& shapes = info.json.at("shapes");
  if (!shapes.is_object()) json_type_error(shapes, "shapes", where, "an object");
  for (const auto& [graph, inputs] : shapes.items()) {
    const std::string place = fmt::format("{}: shapes.{}", where, graph);
    if (!info.has(graph)) invalid_input("{}: the plan has no such graph; build the plan again", place);
    info.shapes[graph] = shapes_from_json(inputs, place);
  }
}

void read_batches(PlanInfo& info, const std::string& where) {
  const Json& batches = json_at(info.json, "batches", where);
  if (!batches.is_array()) json_type_error(batches, "batches", where, "a list of batch sizes");
  for (const Json& batch : batches) {
    if (!batch.is_number_integer() || !integer_fits<int>(batch))
      invalid_input("{}: batches: {} is no batch size", where, json_kind(batch));
    info.batches.push_back(batch.get<int>());
  }
  if (!info.batches.empty() || info.shapes.size() < info.graphs.size())
    info.batches = batch_profiles(info.batches, where + ": batches");
}

}  // namespace

bool PlanInfo::has(const std::string& graph) const {
  return std::find(graphs.begin(), graphs.end(), graph) != graphs.end();
}

std::vector<int> batch_profiles(std::vector<int> batches, const std::string& where) {
  if (batches.empty()) invalid_input("{}: at least one batch size is needed", where);
  for (const int batch : batches)
    if (batch < 1 || batch > kMaxBatch)
      invalid_input("{}: {} is not between 1 and {}", where, batch, kMaxBatch);
  std::sort(batches.begin(), batches.end());
  batches.erase(std::unique(batches.begin(), batches.end()), batches.end());
  return batches;
}

void check_memory_pool_mb(std::int64_t megabytes, const std::string& where) {
  if (megabytes < 1 || megabytes > kMostPoolMb)
    invalid_input("{}: {} is not within 1 to {}", where, megabytes, kMostPoolMb);
}

PlanInfo open_plan_info(const std::filesystem::path& directory) {
  require_directory(directory, "plan");
  const std::filesystem::path file = directory / kPlanJson;
  const std::string where = file.string();
  PlanInfo info;
  info.directory = directory;
  info.json = read_artifact_head(file, kPlanFormat, kPlanRemedy);
  const Json& files = json_at(info.json, "files", where);
  const Json& graphs = json_at(info.json, "graphs", where);
  if (!graphs.is_object() || graphs.empty())
    invalid_input("{}: graphs: names none; build the plan again", where);
  for (const auto& [name, hash] : graphs.items()) {
    if (!is_graph_name(name)) invalid_input("{}: graphs: \"{}\" is no name of a graph", where, name);
    if (!files.is_object() || !files.contains(name + ".plan"))
      invalid_input("{}: files: {}.plan is not listed; build the plan again", where, name);
    info.graphs.push_back(name);
  }
  info.model_hash = model_hash_of(graphs, where + ": graphs");
  if (json_get<std::string>(info.json, "model_hash", where) != info.model_hash)
    invalid_input("{}: model_hash is not that of its graphs; build the plan again", where);
  check_file_table(directory, files, where, FileCheck::kSizes);
  info.card = json_at(info.json, "card", where);
  info.precision = json_get<std::string>(info.json, "precision", where);
  const std::vector<std::string> known = {"fp32", "fp16", "bf16", "int8", "mixed"};
  if (std::find(known.begin(), known.end(), info.precision) == known.end())
    invalid_input("{}: precision: \"{}\" is none of {}", where, info.precision, fmt::join(known, ", "));
  read_shapes(info, where);
  read_batches(info, where);
  info.memory_pool_mb = json_get<std::int64_t>(info.json, "memory_pool_mb", where);
  check_memory_pool_mb(info.memory_pool_mb, where + ": memory_pool_mb");
  return info;
}

Graph open_plan_graph(const PlanInfo& plan, const std::string& name) {
  if (!plan.has(name))
    invalid_input("{}: has no graph \"{}\" (it has {}); name another plan", plan.directory.string(), name,
                  fmt::join(plan.graphs, ", "));
  const std::filesystem::path file = plan.directory / (name + ".plan");
  if (plan_graph_hash(file) != plan.json.at("graphs").at(name).get<std::string>())
    invalid_input("{}: is not the file that {} lists; copy the folder again, or build the plan again",
                  file.string(), (plan.directory / kPlanJson).string());
  Graph graph = read_plan_graph(file);
  if (const auto shapes = plan.shapes.find(name); shapes != plan.shapes.end())
    check_graph_shapes(shapes->second, graph,
                       fmt::format("{}: shapes.{}", (plan.directory / kPlanJson).string(), name));
  return graph;
}

void check_input_shapes(const PlanInfo& plan, const std::string& name, const Graph& graph,
                        const std::vector<Shape>& inputs) {
  const auto found = plan.shapes.find(name);
  if (found == plan.shapes.end()) return;
  const GraphShapes& shapes = found->second;
  EDGECLIP_CHECK(shapes.size() == inputs.size(), "{} shapes for {} inputs", inputs.size(), shapes.size());
  for (std::size_t i = 0; i < shapes.size(); ++i)
    if (!shapes[i].range.contains(inputs[i]) && shape_fits(inputs[i], graph.value(graph.inputs[i])))
      invalid_input(
          "input {}: {} is outside of {}, which {} was built for; to have it, build the plan again: "
          "edgeclip-edge build MODEL.onnx --shape {}=MIN:OPT:MAX --out PLAN",
          shapes[i].input, dims_string(inputs[i]), range_string(shapes[i].range), plan.directory.string(),
          shapes[i].input);
}

void check_plan_files(const PlanInfo& plan) {
  check_file_table(plan.directory, plan.json.at("files"), (plan.directory / kPlanJson).string());
}

void write_plan_info(PlanInfo& info, const Json& provenance) {
  Json graphs = Json::object();
  for (const std::string& name : info.graphs) {
    EDGECLIP_CHECK(is_graph_name(name), "\"{}\"", name);
    graphs[name] = plan_graph_hash(info.directory / (name + ".plan"));
  }
  info.model_hash = model_hash_of(graphs, kPlanJson);
  Json json = Json::object();
  json["format"] = kPlanFormat;
  json["edgeclip"] = version();
  json["precision"] = info.precision;
  json["batches"] = info.batches;
  json["memory_pool_mb"] = info.memory_pool_mb;
  json["card"] = info.card;
  json["provenance"] = provenance;
  for (const auto& [graph, shapes] : info.shapes) json["shapes"][graph] = shapes_to_json(shapes);
  json["graphs"] = graphs;
  json["model_hash"] = info.model_hash;
  json["files"] = file_table(info.directory, kPlanJson);
  write_json(info.directory / kPlanJson, json);
  info.json = std::move(json);
}

}  // namespace edgeclip::engine
