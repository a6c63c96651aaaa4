#include "builder/quantize/calibrate_graph.h"

#include "base/progress.h"
#include "base/signals.h"
#include "builder/quantize/quantizable_layers.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// Histograms of values by name; one run of the graph at a time.
class Recorder {
 public:
  Recorder(const std::set<std::string>& wanted, std::string where)
      : wanted_(wanted), where_(std::move(where)) {}

  void start_run() { seen_.clear(); }

  void observe(const Graph& graph, const NodeRun& run) {
    if (!reads_weights(run.node)) return;
    const std::string& name = graph.value(run.node.inputs[0]).name;
    // Several layers may read one value.
    if (!wanted_.count(name) || !seen_.insert(name).second) return;
    histograms_[name].add(run.inputs[0].as<float>(), run.inputs[0].elements(),
                          where_ + ": value \"" + name + "\"");
  }

  const std::map<std::string, Histogram>& histograms() const { return histograms_; }

 private:
  const std::set<std::string>& wanted_;
  const std::string where_;
  std::set<std::string> seen_;
  std::map<std::string, Histogram> histograms_;
};

}  // namespace

SessionOptions calibration_session_options() {
  SessionOptions options;
  options.log = silent_log();
  options.memory_pool_mb = 1 << 14;  // this runs on a workstation; the arena takes what it needs of it
  return options;
}

std::map<std::string, TensorCalibration> calibrate_graph(Graph graph, const std::set<std::string>& wanted,
                                                         const CalibrationSamples& samples,
                                                         const CalibrationOptions& options,
                                                         const std::string& where) {
  const Session session(std::move(graph), calibration_session_options());
  Context context(session);
  Recorder recorder(wanted, where);
  context.set_observer([&](const NodeRun& run) { recorder.observe(session.graph(), run); });
  Progress progress("calibrate", samples.batches(), "batches");
  for (std::int64_t i = 0; i < samples.batches(); ++i) {
    throw_if_interrupted();
    const std::vector<Tensor> inputs = samples.batch(i);
    std::vector<TensorView> views;
    for (const Tensor& input : inputs) views.push_back(input.view());
    recorder.start_run();
    context.run(views);
    progress.advance();
  }
  std::map<std::string, TensorCalibration> calibrations;
  for (const auto& [name, histogram] : recorder.histograms())
    calibrations[name] = {choose_scale(histogram, options), histogram.min(), histogram.max()};
  return calibrations;
}

}  // namespace edgeclip::builder
