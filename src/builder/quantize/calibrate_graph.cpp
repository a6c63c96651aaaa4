#include "builder/quantize/calibrate_graph.h"

#include <algorithm>
#include <cmath>
#include <limits>

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
  Recorder(const std::set<std::string>& wanted, std::string where, bool by_channel)
      : wanted_(wanted), where_(std::move(where)), by_channel_(by_channel) {}

  void start_run() { seen_.clear(); }

  void observe(const Graph& graph, const NodeRun& run) {
    if (reads_weights(run.node)) record(graph, run.node.inputs[0], run.inputs[0]);
    // Who adds a value may write over it, so it is looked at where it is made.
    for (std::size_t i = 0; i < std::min(run.outputs.size(), run.node.outputs.size()); ++i)  // a reorder's have no names
      if (run.outputs[i].data && run.outputs[i].dtype == DType::f32)
        record(graph, run.node.outputs[i], run.outputs[i].view());
  }

  const std::map<std::string, Histogram>& histograms() const { return histograms_; }
  std::map<std::string, ChannelStatistics> channels() const {
    std::map<std::string, ChannelStatistics> all;
    for (const auto& [name, sums] : channels_) {
      ChannelStatistics& one = all[name];
      one.most = sums.most;
      for (const double sum : sums.sum) one.mean.push_back(static_cast<float>(sum / static_cast<double>(sums.rows)));
    }
    return all;
  }

 private:
  struct Sums {
    std::vector<double> sum;
    std::vector<float> most;
    std::int64_t rows = 0;
  };

  void add_channels(const std::string& name, const TensorView& x) {
    if (x.shape.empty() || x.elements() == 0) return;
    const auto width = static_cast<std::size_t>(x.shape.back());
    Sums& sums = channels_[name];
    // The same in all runs, where it is that of the weights that read it; of an image it may be anything.
    sums.sum.resize(std::max(width, sums.sum.size()));
    sums.most.resize(std::max(width, sums.most.size()));
    const float* value = x.as<float>();
    const std::int64_t rows = x.elements() / x.shape.back();
    sums.rows += rows;
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::size_t j = 0; j < width; ++j, ++value) {
        sums.sum[j] += static_cast<double>(*value);
        sums.most[j] = std::max(sums.most[j], std::abs(*value));
      }
  }

  void record(const Graph& graph, ValueId id, const TensorView& x) {
    const std::string& name = graph.value(id).name;
    // Several layers may read one value.
    if (!wanted_.count(name) || !seen_.insert(name).second) return;
    histograms_[name].add(x.as<float>(), x.elements(), where_ + ": value \"" + name + "\"");
    if (by_channel_) add_channels(name, x);
  }

  const std::set<std::string>& wanted_;
  const std::string where_;
  const bool by_channel_;
  std::set<std::string> seen_;
  std::map<std::string, Histogram> histograms_;
  std::map<std::string, Sums> channels_;
};

/// The first row that the graph refuses by itself; nothing where rows cannot run alone.
std::optional<std::int64_t> refused_row(Context& context, Recorder& recorder, const Graph& graph,
                                        const std::vector<Tensor>& inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::optional<Shape>& declared = graph.value(graph.inputs[i]).shape;
    if (!declared || declared->empty() || declared->front() >= 0 || inputs[i].dim(0) != inputs.front().dim(0))
      return {};
  }
  for (std::int64_t row = 0; row < inputs.front().dim(0); ++row) {
    std::vector<TensorView> views;
    for (const Tensor& input : inputs) {
      Shape shape = input.shape();
      shape[0] = 1;
      const std::size_t bytes = input.bytes() / static_cast<std::size_t>(input.dim(0));
      views.push_back({input.dtype(), shape, input.raw() + static_cast<std::size_t>(row) * bytes});
    }
    try {
      recorder.start_run();
      context.run(views);
    } catch (const InvalidInput&) {
      return row;
    }
  }
  return {};
}

bool has_nan_or_overflow(const OutputView& value) {
  const float* const x = value.view().as<float>();
  // Minus infinity is what masks are made of.
  return std::any_of(x, x + value.view().elements(),
                     [](float v) { return std::isnan(v) || v == std::numeric_limits<float>::infinity(); });
}

/// For a run that met values that are not finite: "; node ... is the first that gives such", or "" if none does.
std::string first_not_finite(Context& context, const std::vector<TensorView>& inputs) {
  std::string found;
  context.set_observer([&](const NodeRun& run) {
    if (!found.empty()) return;
    for (const auto& output : run.outputs)
      if (output.data && output.dtype == DType::f32 && has_nan_or_overflow(output))
        found = fmt::format("; node \"{}\" ({}) is the first that gives such", run.node.name, run.node.op);
  });
  try {
    context.run(inputs);
  } catch (const InvalidInput&) {  // which is told already
  }
  return found;
}

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
                                                         const std::string& where,
                                                         std::map<std::string, ChannelStatistics>* channels) {
  const Session session(std::move(graph), calibration_session_options());
  Context context(session);
  Recorder recorder(wanted, where, channels != nullptr);
  context.set_observer([&](const NodeRun& run) { recorder.observe(session.graph(), run); });
  Progress progress("calibrate", samples.batches(), "batches");
  for (std::int64_t i = 0; i < samples.batches(); ++i) {
    throw_if_interrupted();
    const std::vector<Tensor> inputs = samples.batch(i);
    std::vector<TensorView> views;
    for (const Tensor& input : inputs) views.push_back(input.view());
    recorder.start_run();
    try {
      context.run(views);
    } catch (const InvalidInput& error) {
      const auto row = refused_row(context, recorder, session.graph(), inputs);
      const std::string what = error.what() + first_not_finite(context, views);
      invalid_input("{}: {}{}", samples.name(i, row), what.rfind(where, 0) == 0 ? "" : where + ": ", what);
    }
    progress.advance();
  }
  std::map<std::string, TensorCalibration> calibrations;
  for (const auto& [name, histogram] : recorder.histograms())
    calibrations[name] = {choose_scale(histogram, options), histogram.min(), histogram.max()};
  if (channels != nullptr) *channels = recorder.channels();
  return calibrations;
}

}  // namespace edgeclip::builder
