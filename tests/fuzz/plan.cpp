#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "engine/plan/plan_file.h"
#include "fuzz_file.h"

namespace {

using edgeclip::engine::kPlanHashBytes;
using edgeclip::engine::PlanHeader;

std::size_t touch(const edgeclip::Tensor& tensor) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < tensor.bytes(); ++i) sum += static_cast<std::size_t>(tensor.raw()[i]);
  return sum;
}

void use(const std::string& bytes) {
  const edgeclip::fuzz::MemoryFile file(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  edgeclip::fuzz::reads([&] {
    const edgeclip::engine::Graph graph = edgeclip::engine::read_plan_graph(file.path());
    graph.check();
    std::size_t sum = 0;
    for (std::size_t i = 0; i < graph.value_count(); ++i) {
      const auto id = static_cast<edgeclip::engine::ValueId>(i);
      graph.verify_constants({id});
      if (graph.value(id).is_constant()) sum += touch(*graph.value(id).constant);
    }
    for (const auto& node : graph.nodes()) {
      graph.verify_attributes(node);
      for (const auto& [name, attribute] : node.attributes)
        if (const auto* tensor = std::get_if<edgeclip::Tensor>(&attribute)) sum += touch(*tensor);
    }
    if (sum == static_cast<std::size_t>(-1)) ::abort();
  });
}

/// Makes the checksums right wherever the header's sizes are, so that the reader's own checks are reached.
void put_hashes(std::string& file) {
  PlanHeader header;
  if (file.size() < sizeof header) return;
  std::memcpy(&header, file.data(), sizeof header);
  const std::size_t behind = file.size() - sizeof header;
  if (header.graph_bytes > behind || header.weights_offset > file.size() || header.block_bytes == 0 ||
      header.weights_bytes > file.size() - header.weights_offset)
    return;
  const std::size_t weights_end = header.weights_offset + header.weights_bytes,
                    room = (file.size() - weights_end) / kPlanHashBytes;
  if (header.weights_offset < sizeof header || header.blocks() >= room) return;
  const std::string graph = edgeclip::hash_bytes(file.data() + sizeof header, header.graph_bytes);
  std::memcpy(header.graph_hash, graph.data(), sizeof header.graph_hash);
  std::memcpy(file.data(), &header, sizeof header);
  std::string table;
  for (std::size_t at = header.weights_offset; at < weights_end; at += header.block_bytes) {
    table += edgeclip::hash_bytes(file.data() + at, std::min<std::size_t>(header.block_bytes, weights_end - at));
    if (header.block_bytes > weights_end - at) break;  // where `at` would run over
  }
  const std::string all = edgeclip::hash_text(file.substr(0, sizeof header) + table);
  file.replace(weights_end, table.size(), table);
  file.replace(weights_end + table.size(), all.size(), all);
}

/// A file around a graph and weights; its checksums are not right yet.
std::string around(const char* graph, std::size_t graph_bytes, const std::string& weights) {
  constexpr std::size_t kAlignment = edgeclip::engine::kPlanAlignment;
  PlanHeader header;
  header.header_bytes = sizeof header;
  header.graph_bytes = graph_bytes;
  header.weights_offset = (sizeof header + graph_bytes + kAlignment - 1) / kAlignment * kAlignment;
  header.weights_bytes = weights.size();
  header.block_bytes = 256;  // several blocks of few weights
  std::string file(header.weights_offset, '\0');
  std::memcpy(file.data(), &header, sizeof header);
  std::memcpy(file.data() + sizeof header, graph, graph_bytes);
  return file.append(weights).append((header.blocks() + 1) * kPlanHashBytes, '\0');
}

}  // namespace

// The input as a whole file; and as a graph with 1 KiB of weights behind it, so that what lies behind the
// header's checks is reached by small changes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const char* const bytes = reinterpret_cast<const char*>(data);
  if (size >= 4 && std::memcmp(bytes, "ECPL", 4) == 0) {
    std::string file(bytes, size);
    use(file);
    put_hashes(file);
    use(file);
  } else {
    std::string file = around(bytes, size, std::string(1024, '\1'));
    put_hashes(file);
    use(file);
  }
  return 0;
}
