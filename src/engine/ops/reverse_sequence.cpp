#include <cstring>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// ReverseSequence: of each sample, the first `length` steps in reverse order and the others as they are.
namespace edgeclip::engine {

namespace {

/// x (time, batch, ...), or the other way round as batch_axis and time_axis say; sequence_lens (batch).
void infer_reverse_sequence(ShapeContext& context) {
  const Node& node = context.node;
  const Shape& x = context.inputs[0].shape;
  if (x.size() < 2) refuse(node, "input 0 must have 2 dimensions or more, not {}", shape_string(x));
  const std::int64_t batch = node.int_or("batch_axis", 1), time = node.int_or("time_axis", 0);
  if (batch < 0 || batch > 1 || time != 1 - batch)
    refuse(node, "batch_axis {} and time_axis {} must be 0 and 1", batch, time);
  if (context.inputs[1].dtype != DType::i64)
    refuse(node, "sequence_lens must be int64, not {}", dtype_name(context.inputs[1].dtype));
  if (context.inputs[1].shape != Shape{x[static_cast<std::size_t>(batch)]})
    refuse(node, "sequence_lens are {}, not one for each of {}", shape_string(context.inputs[1].shape),
           x[static_cast<std::size_t>(batch)]);
  infer_same(context);
}

void run_reverse_sequence(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& x = inputs[0].shape;
  const bool batch_first = node.int_or("batch_axis", 1) == 0;
  const std::int64_t samples = x[batch_first ? 0 : 1], steps = x[batch_first ? 1 : 0];
  const std::size_t row = static_cast<std::size_t>(product(x, 2, x.size())) * dtype_size(inputs[0].dtype);
  const auto at = [&](std::int64_t b, std::int64_t t) {
    return static_cast<std::size_t>(batch_first ? b * steps + t : t * samples + b) * row;
  };
  for (std::int64_t b = 0; b < samples; ++b) {
    const std::int64_t length = inputs[1].as<std::int64_t>()[b];
    if (length < 0 || length > steps) refuse(node, "a sequence is {} of {} steps long", length, steps);
    for (std::int64_t t = 0; t < steps; ++t)
      std::memcpy(outputs[0].data + at(b, t), inputs[0].data + at(b, t < length ? length - 1 - t : t), row);
  }
}

}  // namespace

const std::vector<Operator>& reverse_sequence_operators() {
  static const std::vector<Operator> rows = taking_16_bit_floats({
      {"ReverseSequence", "", 10, kNewestOpset, infer_reverse_sequence, run_reverse_sequence, 2, 2, 1,
       "batch_axis:i time_axis:i"},
  });
  return rows;
}

}  // namespace edgeclip::engine
