// Runs a graph of a plan on zeros and prints what each layer costs:  layer_times PLAN GRAPH
//   cmake -B build && cmake --build build
//   c++ -std=c++17 layer_times.cpp -o layer_times $(pkg-config --cflags --libs edgeclip-engine)
#include <cstdio>
#include <edgeclip_engine.hpp>

int main(int argc, char** argv) try {
  if (argc != 3) return std::fprintf(stderr, "usage: layer_times PLAN GRAPH\n"), 2;
  edgeclip::Session session(argv[1], argv[2]);
  edgeclip::Context context(session);
  const auto inputs = session.inputs();
  std::vector<std::vector<std::uint64_t>> zeros(inputs.size());  // 8 bytes hold an element of any type
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::size_t elements = 1;
    edgeclip::Dims dims = inputs[i].dims;
    for (auto& dim : dims) elements *= static_cast<std::size_t>(dim = dim < 0 ? 1 : dim);
    zeros[i].resize(elements);
    edgeclip::check(edgeclip_bind_input(context.get(), i, inputs[i].dtype, dims.data(), dims.size(),
                                        zeros[i].data(), elements * edgeclip_dtype_size(inputs[i].dtype)));
  }
  context.run();  // the first makes kernels ready
  edgeclip::check(edgeclip_set_profiling(context.get(), 1));
  for (int i = 0; i < 10; ++i) context.run();
  std::size_t layers = 0;
  edgeclip::check(edgeclip_profile(context.get(), &layers, nullptr));
  for (std::size_t i = 0; i < layers; ++i) {
    edgeclip_layer layer = EDGECLIP_INIT(edgeclip_layer);
    edgeclip::check(edgeclip_profile_layer(context.get(), i, &layer));
    std::printf("%8.3f ms  %-24s %-24s %s\n", layer.ms, layer.op, layer.kernel, layer.output);
  }
} catch (const edgeclip::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
