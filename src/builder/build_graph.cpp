#include "builder/build_graph.h"

#include <algorithm>

#include "base/log.h"
#include "base/signals.h"
#include "builder/passes/fuse_norm_quantize.h"
#include "builder/passes/passes.h"
#include "builder/passes/requantize.h"
#include "builder/precision/apply_precision.h"
#include "engine/ops/support.h"
#include "engine/plan/plan_file.h"
#include "engine/runtime/memory_planner.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

using namespace engine;

namespace fs = std::filesystem;

namespace {

constexpr double kBytesOfMebibyte = static_cast<double>(kMebibyte);

/// "NAME (OP)" of the layers that only the readable single-threaded kernels take.
std::vector<std::string> reference_layers(Context& context, const std::vector<Shape>& shapes) {
  std::vector<std::string> slow;
  for (const Context::Layer& layer : context.layers(shapes))
    if (layer.kernel == "reference") slow.push_back(fmt::format("{} ({})", layer.name, layer.op));
  return slow;
}

/// Bytes of activations by profile.
Json arena_bytes(Context& context, const GraphToBuild& what) {
  Json arena = Json::object();
  try {
    for (const GraphProfile& profile : what.profiles) {
      throw_if_interrupted();
      arena[profile.name] = context.arena_bytes(profile.shapes).activations;
    }
  } catch (const DependsOnData& error) {
    invalid_input(
        "{}: {}; a plan has shapes that follow from those of its inputs: run the ONNX file itself by "
        "edgeclip-edge run",
        what.where, error.what());
  } catch (const InvalidInput& error) {
    invalid_input("{}: {}", what.where, error.what());
  }
  return arena;
}

/// Fills in what the report says of it.
void set_precision(GraphToBuild& what, const std::string& precision, Json& passes, Json& layers) {
  QuantizedGraph quantized;
  if (what.quantization) {
    quantized = quantize_graph(what.graph, *what.quantization);
    passes["quantize_layers"] = quantized.layers;
  }
  const std::vector<std::string> exclude = what.quantization ? what.quantization->options.exclude : std::vector<std::string>();
  for (const PassReport& pass : apply_precision(what.graph, precision, exclude)) passes[pass.name] = pass.rewrites;
  if (precision != "int8" && precision != "mixed") return;
  layers = layers_report(what.graph, quantized.sqnr);
  passes["requantize"] = requantize(what.graph);
  passes["fuse_norm_quantize"] = fuse_norm_quantize(what.graph);
}

}  // namespace

Json build_graph(GraphToBuild what, const BuildOptions& options, const fs::path& plan, GraphDump& dump) {
  throw_if_interrupted();
  const std::size_t imported = what.graph.nodes().size();
  dump.add("before", what.graph, what.folder);
  Json passes = Json::object();
  for (const PassReport& pass : optimize(what.graph)) passes[pass.name] = pass.rewrites;
  Json layers = Json::object();
  set_precision(what, options.precision, passes, layers);
  dump.add("after", what.graph, what.folder);

  SessionOptions session_options;
  session_options.memory_pool_mb = options.memory_pool_mb;
  const Session session(std::move(what.graph), session_options);
  Context context(session);
  const Json arena = arena_bytes(context, what);
  const std::vector<std::string> slow = reference_layers(context, what.usual);
  if (options.strict && !slow.empty()) {
    dump.write();  // which may say why
    throw CheckNotMet(fmt::format("{}: {} layers have no kernel but the reference: {}", what.label,
                                  slow.size(), fmt::join(slow, ", ")));
  }
  const fs::path file = plan / (what.name + ".plan");
  write_plan_graph(file, session.graph());

  std::int64_t most = 0;
  for (const Json& bytes : arena) most = std::max(most, bytes.get<std::int64_t>());
  spdlog::info("{}: {} operators became {}, {:.1f} MiB, at most {:.1f} MiB of activations", what.label,
               imported, session.graph().nodes().size(), static_cast<double>(fs::file_size(file)) / kBytesOfMebibyte,
               static_cast<double>(most) / kBytesOfMebibyte);
  Json report = {{"nodes_imported", imported}, {"nodes", session.graph().nodes().size()},
                 {"passes", passes},           {"arena_bytes", arena},
                 {"reference_layers", slow},   {"bytes", fs::file_size(file)}};
  report.update(layers);
  return report;
}

}  // namespace edgeclip::builder
