#include "cli/runtime/layer_profile.h"

#include <algorithm>

#include "base/log.h"
#include "base/threads.h"
#include "cli/runtime/command.h"

namespace edgeclip {

namespace {

/// What a measured peak may be off by on a quiet machine.
constexpr double kMostOfPeak = 1.1;

struct Peaks {
  engine::MachinePeaks machine;
  std::map<std::string, double> gmacs;  ///< by precision
};

Peaks measure(const engine::NodeProfile& profile) {
  Peaks peaks;
  for (const std::string& precision : profile.multiplied_precisions())
    if (precision == "bf16" || precision == "int8")
      peaks.gmacs[precision] = engine::measure_gmacs(precision, thread_count());
  peaks.machine = engine::measure_peaks(thread_count());
  return peaks;
}

void take_higher(Peaks& peaks, const Peaks& others) {
  peaks.machine.gmacs = std::max(peaks.machine.gmacs, others.machine.gmacs);
  peaks.machine.gb_s = std::max(peaks.machine.gb_s, others.machine.gb_s);
  for (const auto& [precision, gmacs] : others.gmacs)
    peaks.gmacs[precision] = std::max(peaks.gmacs[precision], gmacs);
}

/// "23.4" or nothing.
std::string percent(const Json& share) {
  return share.is_null() ? std::string() : fmt::format("{:.1f}", 100 * share.get<double>());
}

}  // namespace

bool beats_peaks(const Json& profile) {
  const double gb_s = profile.at("peak_gb_s").get<double>(),
               buffer = profile.at("peak_buffer_mb").get<double>() * (1 << 20);
  return std::any_of(profile.at("layers").begin(), profile.at("layers").end(), [&](const Json& layer) {
    const double seconds = 1e-3 * layer.at("ms").get<double>(), bytes = layer.at("bytes").get<double>();
    const std::string own = "peak_gmacs_" + layer.at("precision").get<std::string>();
    const double gmacs = profile.at(profile.contains(own) ? own : "peak_gmacs").get<double>();
    return seconds > 0 && (1e-9 * layer.at("macs").get<double>() / seconds > kMostOfPeak * gmacs ||
                           (bytes >= buffer && 1e-9 * bytes / seconds > kMostOfPeak * gb_s));
  });
}

Json with_peaks_judged(const Json& profile, bool hold) {
  Json judged = Json::object();
  for (const auto& [key, value] : profile.items()) {
    if (key == "layers") judged["peaks_hold"] = hold;
    judged[key] = value;
  }
  if (!hold)
    for (Json& layer : judged["layers"]) layer["roofline_share"] = nullptr;
  return judged;
}

Json layer_profile(const engine::NodeProfile& profile) {
  Peaks peaks = measure(profile);
  Json layers = profile.json(peaks.machine, peaks.gmacs);
  bool hold = !beats_peaks(layers);
  if (!hold) {
    take_higher(peaks, measure(profile));
    layers = profile.json(peaks.machine, peaks.gmacs);
    hold = !beats_peaks(layers);
  }
  if (!hold)
    spdlog::warn(
        "layers ran faster than the peaks that were measured: the machine was busy meanwhile, so no shares "
        "of "
        "the roofline are given; run it again on an idle machine");
  Json result = {{"command", "run"}, {"program", program_name()}};  // by which it is known as a report
  result.update(with_peaks_judged(layers, hold));
  return result;
}

void print_layers(const Json& profile) {
  print(fmt::format("{:>12} {:>7} {:>10} {:>10}  {:<40} {:<20} {:<6} {}\n", "ms", "time %", "MMACs",
                    "roofline %", "layer", "operator", "", "kernel"));
  bool above = false;
  for (const Json& layer : profile.at("layers")) {
    const Json& share = layer["roofline_share"];
    above = above || (share.is_number() && share.get<double>() > kMostOfPeak);
    print(fmt::format("{:>12.3f} {:>7} {:>10.2f} {:>10}  {:<40} {:<20} {:<6} {}\n", layer["ms"].get<double>(),
                      percent(layer["share"]), 1e-6 * layer["macs"].get<double>(), percent(share),
                      layer["name"].get<std::string>(), layer["op"].get<std::string>(),
                      layer["precision"].get<std::string>(), layer["kernel"].get<std::string>()));
  }
  print(fmt::format("{:>12.3f} ms, {:.2f} MMACs; this machine: {:.1f} GMAC/s float32, {:.1f} GB/s\n",
                    profile["total_ms"].get<double>(), 1e-6 * profile["total_macs"].get<double>(),
                    profile["peak_gmacs"].get<double>(), profile["peak_gb_s"].get<double>()));
  if (above)
    print("above 100 %: what the layer reads and writes lay in a cache, which is faster than memory\n");
}

}  // namespace edgeclip
