#include <unistd.h>

#include <fstream>

#include "builder/import/onnx_import.h"
#include "engine/graph/shape_inference.h"
#include "fuzz_file.h"

namespace {

/// The model's own folder: external data is read from there alone.
const std::filesystem::path& folder() {
  static const std::filesystem::path path = [] {
    char name[] = "/dev/shm/edgeclip-fuzz-XXXXXX";
    if (::mkdtemp(name) == nullptr) ::abort();
    std::ofstream(std::filesystem::path(name) / "weights") << std::string(256, '\1');
    return std::filesystem::path(name);
  }();
  return path;
}

}  // namespace

// Import, which runs the shape rules for probing sizes, and then the rules for one size of each dynamic
// dimension.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path file = folder() / "model.onnx";
  std::ofstream(file, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  edgeclip::fuzz::reads([&] {
    const edgeclip::engine::Graph graph = edgeclip::builder::import_onnx(file);
    graph.check();
    std::vector<edgeclip::Shape> shapes;
    for (const auto id : graph.inputs) {
      shapes.push_back(graph.value(id).shape.value_or(edgeclip::Shape{}));
      for (auto& d : shapes.back()) d = d < 0 ? 3 : d;
    }
    edgeclip::engine::infer_shapes(graph, shapes);
  });
  return 0;
}
