#include "builder/build_model.h"

#include <algorithm>
#include <set>

#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/file.h"
#include "builder/build_graph.h"
#include "builder/import/onnx_import.h"
#include "builder/input_shapes.h"
#include "builder/quantize/plan_quantization.h"
#include "bundle/model_card.h"
#include "engine/graph/shape_inference.h"
#include "engine/ops/support.h"
#include "engine/plan/plan.h"

namespace edgeclip::builder {

using namespace engine;

namespace fs = std::filesystem;

namespace {

void refuse_bundle_options(const BuildOptions& options) {
  if (!options.bundle.empty())
    invalid_input("{} and --bundle {} exclude each other; name one of them", options.model, options.bundle);
  if (!options.batches.empty())
    invalid_input("--batches: is of bundles; give the batches of {} by --shape NAME=MIN:OPT:MAX",
                  options.model);
}

/// Whether the file holds quantized layers, which its plan then does too: more than constants stored in 8 bits, of which the passes
/// make the floats that they stand for.
bool is_quantized(const Graph& graph) {
  static const std::set<std::string> kOps = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear",
                                             "MatMulInteger",  "ConvInteger",      "QLinearMatMul",
                                             "QLinearConv"};
  return std::any_of(graph.nodes().begin(), graph.nodes().end(),
                     [&](const Node& node) {
                       const bool stored = node.op == "DequantizeLinear" && graph.value(node.inputs[0]).is_constant();
                       return node.domain.empty() && kOps.count(node.op) != 0 && !stored;
                     });
}

/// How the graph becomes what --precision says; nothing where it is that already, or where layers stay float.
std::optional<GraphQuantization> quantization_of_graph(const Graph& graph, const BuildOptions& options,
                                                       const ModelCard& card, const GraphShapes& shapes) {
  const bool wanted = options.precision == "int8" || options.precision == "mixed";
  if (!is_quantized(graph)) {
    if (!wanted) return {};
    return quantization_of(options, graph, card, shapes);
  }
  if (options.precision != "int8")
    invalid_input("{}: holds quantized layers; use --precision int8, or the model it was made from",
                  options.model);
  if (!options.calibration.empty())
    invalid_input(
        "--calibration {}: {} holds quantized layers already, with ranges of their own; leave it out",
        options.calibration, options.model);
  return {};
}

/// Of --card, or one that says nothing but the file's name.
ModelCard card_of(const BuildOptions& options) {
  ModelCard card;
  card.task = "none";
  card.name = fs::path(options.model).stem().string();
  if (options.card.empty()) return card;
  options_from_json(read_json(options.card), card, options.card + ": ");
  if (card.task == "dual_encoder")
    invalid_input("{}: task: a dual_encoder is two graphs and a tokenizer; build it by --bundle BUNDLE",
                  options.card);
  return card;
}

/// That a classifier's first output has a place for each class.
void check_classes(const ModelCard& card, const Graph& graph, const std::vector<Shape>& shapes,
                   const BuildOptions& options) {
  if (card.classes.empty()) return;
  std::vector<ValueFacts> facts;
  try {
    facts = infer_shapes(graph, shapes);
  } catch (const InvalidInput& error) {
    invalid_input("{}: {}", options.model, error.what());
  }
  const ValueFacts& output = facts[static_cast<std::size_t>(graph.outputs[0])];
  if (output.shape.empty() || output.shape.back() != static_cast<std::int64_t>(card.classes.size()))
    invalid_input("{}: classes: names {}, output {} of {} is {}; name as many as its last dimension",
                  options.card, card.classes.size(), graph.value(graph.outputs[0]).name, options.model,
                  shape_string(output.shape));
}

std::vector<Shape> shapes_at(const GraphShapes& shapes, Shape ShapeRange::*which) {
  std::vector<Shape> result;
  for (const InputShapes& one : shapes) result.push_back(one.range.*which);
  return result;
}

}  // namespace

Json build_model(const BuildOptions& options) {
  refuse_bundle_options(options);
  if (fs::exists(fs::path(options.model) / "bundle.json"))
    invalid_input("{}: is a bundle, not an ONNX file; name it by --bundle", options.model);
  require_file(options.model, "model");
  const ModelCard card = card_of(options);
  GraphDump dump(options.dump_graph, options.dump_dir, {""},
                 {options.model, options.card, options.calibration});
  AtomicDirectory output(options.out, "plan.json",
                         {options.overwrite, {options.model, options.card, options.calibration}});

  Graph graph = import_onnx(options.model);
  const GraphShapes shapes = input_shapes(graph, options.shape, options.model);
  const std::vector<Shape> usual = shapes_at(shapes, &ShapeRange::opt);
  check_classes(card, graph, usual, options);
  const std::vector<GraphProfile> profiles = {{"min", shapes_at(shapes, &ShapeRange::min)},
                                              {"opt", usual},
                                              {"max", shapes_at(shapes, &ShapeRange::max)}};
  auto quantization = quantization_of_graph(graph, options, card, shapes);
  Json part = build_graph(
      {kModelGraph, "model", options.model, "", std::move(graph), profiles, std::move(quantization), usual},
      options, output.work(), dump);
  part["shapes"] = shapes_to_json(shapes);

  PlanInfo plan;
  plan.directory = output.work();
  plan.card = options_to_json(card);
  plan.precision = options.precision;
  plan.memory_pool_mb = options.memory_pool_mb;
  plan.graphs = {kModelGraph};
  plan.shapes[kModelGraph] = shapes;
  write_plan_info(plan,
                  Json::array({{{"command", "build"}, {"version", version()}, {"model", options.model}}}));
  dump.write();
  output.commit();
  return {{"plan", options.out},
          {"model_file", options.model},
          {"precision", options.precision},
          {"memory_pool_mb", options.memory_pool_mb},
          {kModelGraph, part},
          {"model_hash", plan.model_hash},
          {"bytes", part["bytes"]}};
}

}  // namespace edgeclip::builder
