#include "builder/precision/apply_precision.h"

#include <algorithm>

#include "base/error.h"
#include "base/nearest.h"
#include "builder/precision/narrow_weights.h"
#include "builder/precision/quantize_tables.h"

namespace edgeclip::builder {

std::vector<PassReport> apply_precision(engine::Graph& graph, const std::string& precision,
                                        const std::vector<std::string>& exclude) {
  if (precision == "bf16") return {{"narrow_weights", narrow_weights(graph, DType::bf16)}};
  if (precision == "fp16") return {{"narrow_weights", narrow_weights(graph, DType::f16)}};
  if (precision == "int8") return {{"quantize_tables", quantize_tables(graph, exclude)}};
  if (precision == "mixed")
    return {{"quantize_tables", quantize_tables(graph, exclude)},
            {"narrow_weights", narrow_weights(graph, DType::bf16)}};
  return {};
}

void check_precision(const std::string& precision, const std::string& option) {
  const std::vector<std::string> known = {"fp32", "fp16", "bf16", "int8", "mixed"};
  if (std::find(known.begin(), known.end(), precision) == known.end())
    invalid_input("{} {}: unknown{}; it is one of {}", option, precision, did_you_mean(precision, known),
                  fmt::join(known, ", "));
}

}  // namespace edgeclip::builder
