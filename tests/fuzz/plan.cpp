#include <cstring>

#include "engine/plan/plan.h"
#include "engine/plan/plan_file.h"
#include "fuzz_file.h"

namespace {

using edgeclip::engine::PlanHeader;

std::size_t touch(const edgeclip::Tensor& tensor) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < tensor.bytes(); ++i) sum += static_cast<std::size_t>(tensor.raw()[i]);
  return sum;
}

void use(const std::string& bytes) {
  const edgeclip::fuzz::MemoryFile file(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  for (const bool checked : {true, false})
    edgeclip::fuzz::reads([&] {
      const edgeclip::engine::Graph graph = edgeclip::engine::read_plan_graph(file.path(), checked);
      graph.check();
      std::size_t sum = 0;
      for (std::size_t i = 0; i < graph.value_count(); ++i)
        if (const auto& value = graph.value(static_cast<edgeclip::engine::ValueId>(i)); value.is_constant())
          sum += touch(*value.constant);
      for (const auto& node : graph.nodes())
        for (const auto& [name, attribute] : node.attributes)
          if (const auto* tensor = std::get_if<edgeclip::Tensor>(&attribute)) sum += touch(*tensor);
      if (sum == static_cast<std::size_t>(-1)) ::abort();
    });
}

/// A file around a graph and weights, whose header is right but for the checksums.
std::string around(const char* graph, std::size_t graph_bytes, const char* weights,
                   std::size_t weights_bytes) {
  constexpr std::size_t kAlignment = edgeclip::engine::kPlanAlignment;
  PlanHeader header;
  header.header_bytes = sizeof header;
  header.graph_bytes = graph_bytes;
  header.weights_offset = (sizeof header + graph_bytes + kAlignment - 1) / kAlignment * kAlignment;
  header.weights_bytes = weights_bytes;
  std::string file(header.weights_offset, '\0');
  std::memcpy(file.data(), &header, sizeof header);
  std::memcpy(file.data() + sizeof header, graph, graph_bytes);
  return file.append(weights, weights_bytes);
}

}  // namespace

// The input as a whole file; and as a graph with 1 KiB of weights behind it, so that what lies behind the
// header's checks is reached by small changes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const char* const bytes = reinterpret_cast<const char*>(data);
  if (size >= 4 && std::memcmp(bytes, "ECPL", 4) == 0) {
    use(std::string(bytes, size));
  } else {
    const std::string weights(1024, '\1');
    use(around(bytes, size, weights.data(), weights.size()));
  }
  return 0;
}
