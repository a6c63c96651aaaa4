#include "builder/verify_layers.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/safetensors.h"
#include "builder/passes/passes.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

Json compared(const Tensor& expected, const Tensor& actual, double min_cosine) {
  if (expected.dtype() != DType::f32 || actual.dtype() != DType::f32 || expected.elements() != actual.elements())
    return {{"cosine", nullptr}, {"relative", nullptr}, {"passed", false}};
  const float *e = expected.data<float>(), *a = actual.data<float>();
  double dot = 0, ee = 0, aa = 0, most = 0;
  for (std::int64_t i = 0; i < expected.elements(); ++i) {
    dot += static_cast<double>(e[i]) * a[i];
    ee += static_cast<double>(e[i]) * e[i];
    aa += static_cast<double>(a[i]) * a[i];
    if (const double difference = std::abs(static_cast<double>(e[i]) - a[i]); !(difference <= most)) most = std::isnan(most) ? most : difference;
  }
  // Of what is 0 throughout nothing else is right.
  const double cosine = ee == 0 ? (aa == 0 ? 1.0 : 0.0) : dot / std::sqrt(ee * aa);
  const double rms = std::sqrt(ee / static_cast<double>(std::max<std::int64_t>(1, expected.elements())));
  return {{"cosine", finite_or_null(cosine)}, {"relative", finite_or_null(rms > 0 ? most / rms : most)}, {"passed", cosine >= min_cosine}};
}

/// Tensors of one case, in order.
struct Case {
  std::string name;
  std::vector<std::pair<std::string, std::string>> layers;  ///< key in the file, value in the graph
};

Case case_of(const SafetensorsFile& file, const std::string& tower) {
  std::vector<std::string> keys = file.names();
  std::sort(keys.begin(), keys.end());
  Case found;
  for (const std::string& key : keys) {
    // <tower>/<case>/<k>/<name>; the name has slashes of its own.
    if (key.rfind(tower + "/", 0) != 0) continue;
    const std::size_t second = key.find('/', tower.size() + 1);
    const std::size_t third = second == std::string::npos ? second : key.find('/', second + 1);
    if (third == std::string::npos) invalid_input("{}: {} is no layer's name; export the bundle again", file.file(), key);
    found.name = key.substr(0, second);
    found.layers.emplace_back(key, key.substr(third + 1));
  }
  return found;
}

}  // namespace

Json compare_layers(const Bundle& bundle, Graph graph, const std::string& tower, double min_cosine) {
  Json layers = Json::array();
  if (!std::filesystem::exists(bundle.layers())) return layers;
  const SafetensorsFile file(bundle.layers()), reference(bundle.reference());
  const Case of_tower = case_of(file, tower);
  if (of_tower.layers.empty()) return layers;

  std::map<std::string, ValueId> ids;
  for (std::size_t id = 0; id < graph.value_count(); ++id) ids.emplace(graph.value(static_cast<ValueId>(id)).name, static_cast<ValueId>(id));
  graph.outputs.clear();
  for (const auto& [key, name] : of_tower.layers) {
    Json entry = {{"case", of_tower.name}, {"name", name}, {"cosine", nullptr}, {"relative", nullptr}, {"passed", nullptr}};
    if (const auto id = ids.find(name); id != ids.end()) graph.outputs.push_back(id->second), entry["passed"] = true;
    layers.push_back(std::move(entry));
  }
  if (graph.outputs.empty()) return layers;
  optimize(graph);
  SessionOptions options;
  options.memory_pool_mb = 1 << 14;  // what is checked here are values, not memory
  const Session session(std::move(graph), options);
  Context context(session);
  const char* input = tower == "image" ? kPixelValues : kInputIds;
  const std::vector<Tensor> outputs = context.run({reference.get(of_tower.name + "/" + input).view()});
  std::size_t next = 0;
  for (std::size_t k = 0; k < of_tower.layers.size(); ++k)
    if (!layers[k]["passed"].is_null()) layers[k].update(compared(file.get(of_tower.layers[k].first), outputs.at(next++), min_cosine));
  return layers;
}

Json first_bad_layer(const Json& layers, const std::string& tower) {
  for (const Json& layer : layers)
    if (layer.at("passed") == false && layer.at("case").get_ref<const std::string&>().rfind(tower + "/", 0) == 0) return layer.at("name");
  return nullptr;
}

}  // namespace edgeclip::builder
