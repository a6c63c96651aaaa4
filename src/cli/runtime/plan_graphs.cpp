#include "cli/runtime/plan_graphs.h"

#include <algorithm>

#include "base/options.h"
#include "base/signals.h"
#include "base/threads.h"
#include "bundle/model_card.h"
#include "engine/graph/shape_inference.h"
#include "engine/graph/symbolic_inference.h"
#include "engine/ops/precision.h"
#include "engine/runtime/session.h"

namespace edgeclip {

using namespace engine;

namespace {

/// What is looked at here is how much is needed, not whether it fits.
constexpr std::int64_t kAnyPoolMb = 1 << 24;

struct Profile {
  std::string name;
  std::vector<Shape> shapes;  ///< of the inputs, in the graph's order
};

std::vector<Profile> profiles_of(const PlanInfo& plan, const std::string& name, const Graph& graph) {
  if (const auto found = plan.shapes.find(name); found != plan.shapes.end()) {
    std::vector<Profile> profiles = {{"min", {}}, {"opt", {}}, {"max", {}}};
    for (const InputShapes& one : found->second) {
      profiles[0].shapes.push_back(one.range.min);
      profiles[1].shapes.push_back(one.range.opt);
      profiles[2].shapes.push_back(one.range.max);
    }
    return profiles;
  }
  ModelCard card;
  options_from_json(plan.card, card, (plan.directory / "plan.json").string() + ": card");
  std::vector<Profile> profiles;
  if (card.task != "dual_encoder" || graph.inputs.size() != 1) return profiles;
  for (const int batch : plan.batches) {
    Shape shape = {batch, 3, card.image.height, card.image.width};
    if (name != "image") shape = {batch, card.context_length};
    profiles.push_back({std::to_string(batch), {shape}});
  }
  return profiles;
}

/// Of a node, or of a change of layout, whose type is not known here and is float32 in what wants it.
std::string precision_of(const Node* node, const std::vector<ValueFacts>& facts) {
  if (node == nullptr) return "fp32";
  std::vector<DType> inputs;
  for (std::size_t i = 0; i < node->inputs.size(); ++i)
    if (node->has_input(i)) inputs.push_back(facts[static_cast<std::size_t>(node->inputs[i])].dtype);
  const auto first =
      std::find_if(node->outputs.begin(), node->outputs.end(), [](ValueId id) { return id != kNoValue; });
  return node_precision(
      *node, inputs,
      first == node->outputs.end() ? DType::f32 : facts[static_cast<std::size_t>(*first)].dtype);
}

/// Layers in the order they run: nodes, but for those that move nothing, and changes of layout between them.
Json layers_json(const Graph& graph, const std::vector<Context::Layer>& layers,
                 const std::vector<ValueFacts>& facts) {
  Json list = Json::array();
  auto next = graph.nodes().begin();
  for (const Context::Layer& layer : layers) {
    const auto it = std::find_if(next, graph.nodes().end(), [&](const Node& node) {
      return node.name == layer.name && node.op == layer.op;
    });
    const Node* node = it == graph.nodes().end() ? nullptr : &*it;
    if (node != nullptr) next = it + 1;
    const ValueFacts* output = nullptr;
    if (node != nullptr && !node->outputs.empty() && node->outputs[0] != kNoValue)
      output = &facts[static_cast<std::size_t>(node->outputs[0])];
    list.push_back({{"name", layer.name},
                    {"op", layer.op},
                    {"domain", node ? node->domain : "edgeclip"},
                    {"kernel", layer.kernel},
                    {"precision", precision_of(node, facts)},
                    {"origins", node ? node->origins : std::vector<std::string>()},
                    {"output", output ? Json(output->shape) : Json(nullptr)}});
  }
  return list;
}

Json inputs_json(const PlanInfo& plan, const std::string& name, const Graph& graph) {
  Json inputs = Json::object();
  const auto shapes = plan.shapes.find(name);
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    Json input = {{"dtype", dtype_name(value.dtype)}, {"shape", declared_shape(value)}};
    if (shapes != plan.shapes.end()) {
      const ShapeRange& range = shapes->second[i].range;
      input.update({{"min", range.min}, {"opt", range.opt}, {"max", range.max}});
    }
    inputs[value.name] = input;
  }
  return inputs;
}

/// Names of dimensions that are not known by a name of the model's own ("x[2]", "?0") mean nothing to a
/// reader.
std::string dim_text(const SymbolicDim& dim) {
  const std::string text = dim.text();
  return text.find_first_of("?[") == std::string::npos ? text : "?";
}

/// What is known of an output: `symbolic` whatever the inputs' sizes, `profiles` at each profile's.
std::string output_shape(const SymbolicValue& symbolic, const std::vector<Shape>& profiles) {
  if (!symbolic.shape) return "(...)";
  std::vector<std::string> dims;
  for (std::size_t d = 0; d < symbolic.shape->size(); ++d) {
    dims.push_back(dim_text((*symbolic.shape)[d]));
    const auto same = [&](const Shape& shape) { return shape.at(d) == profiles[0].at(d); };
    if (dims.back() == "?" && profiles.size() > 1 && profiles.front() != profiles.back() &&
        std::all_of(profiles.begin(), profiles.end(), same))
      dims.back() = std::to_string(profiles[0][d]);
  }
  return fmt::format("({})", fmt::join(dims, ", "));
}

Json outputs_json(const PlanInfo& plan, const std::string& name, const Graph& graph,
                  const std::vector<Profile>& profiles) {
  const SymbolicFacts symbolic = infer_symbolic(graph);
  std::vector<std::vector<ValueFacts>> facts;
  for (const Profile& profile : profiles) facts.push_back(infer_shapes(graph, profile.shapes));
  Json outputs = Json::object();
  for (const ValueId id : graph.outputs) {
    const auto i = static_cast<std::size_t>(id);
    std::vector<Shape> shapes;
    for (const auto& known : facts) shapes.push_back(known[i].shape);
    Json output = {{"dtype", dtype_name(facts.empty() ? graph.value(id).dtype : facts[0][i].dtype)},
                   {"shape", output_shape(symbolic.values[i], shapes)}};
    if (plan.shapes.count(name) > 0)
      output.update({{"min", shapes[0]}, {"opt", shapes[1]}, {"max", shapes[2]}});
    outputs[graph.value(id).name] = output;
  }
  return outputs;
}

Json graph_info(const PlanInfo& plan, const std::string& name) {
  SessionOptions options;
  options.memory_pool_mb = kAnyPoolMb;
  options.threads = thread_count();
  options.log = silent_log();  // the layers are all named
  const Session session(open_plan_graph(plan, name), options);
  const Graph& graph = session.graph();
  Context context(session);
  const std::vector<Profile> profiles = profiles_of(plan, name, graph);
  std::vector<ValueFacts> facts;
  Json layers = Json::array();
  if (!profiles.empty()) {
    const std::vector<Shape>& usual = profiles[profiles[0].name == "min" ? 1 : 0].shapes;
    facts = infer_shapes(graph, usual);
    layers = layers_json(graph, context.layers(usual), facts);
  }
  Json sizes = Json::object();
  for (const Profile& profile : profiles) {
    throw_if_interrupted();
    const Context::ArenaBytes bytes = context.arena_bytes(profile.shapes);
    Json shapes = Json::object();
    for (std::size_t i = 0; i < profile.shapes.size(); ++i)
      shapes[graph.value(graph.inputs[i]).name] = profile.shapes[i];
    sizes[profile.name] = {
        {"shapes", shapes}, {"activation_bytes", bytes.activations}, {"scratch_bytes", bytes.scratch}};
  }
  const Json memory = {{"file_bytes", std::filesystem::file_size(plan.directory / (name + ".plan"))},
                       {"packed_bytes", session.packed_bytes()},
                       {"profiles", sizes}};
  return {{"nodes", graph.nodes().size()},
          {"inputs", inputs_json(plan, name, graph)},
          {"outputs", outputs_json(plan, name, graph, profiles)},
          {"memory", memory},
          {"layers", layers}};
}

}  // namespace

Json plan_graphs(const PlanInfo& plan) {
  Json graphs = Json::object();
  for (const std::string& name : plan.graphs) {
    throw_if_interrupted();
    graphs[name] = graph_info(plan, name);
  }
  return graphs;
}

}  // namespace edgeclip
