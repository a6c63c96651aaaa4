#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// DepthToSpace and SpaceToDepth: blocks of the plane against channels, x (N, C, H, W).  Only elements move.
namespace edgeclip::engine {

namespace {

/// Mode DCR: a channel is (block row, block column, C); CRD: (C, block row, block column).
bool channels_first(const Node& node) {
  const std::string mode = node.string_or("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") unsupported(node, "mode {} is not there", printable(mode));
  return mode == "CRD";
}

/// Throws InvalidInput unless x is (N, C, H, W) and block * block fits in 64 bits.
std::int64_t block_of(const Node& node, const Shape& x) {
  const std::int64_t block = node.int_or("blocksize", 1);
  if (x.size() != 4) refuse(node, "needs (N, C, H, W), not {}", shape_string(x));
  if (block < 1 || block > (std::int64_t{1} << 20)) refuse(node, "a blocksize of {}", block);
  channels_first(node);
  return block;
}

void infer_depth_to_space(ShapeContext& context) {
  const Shape& x = context.inputs[0].shape;
  const std::int64_t block = block_of(context.node, x);
  Shape shape = {x[0], x[1] / (block * block), 0, 0};
  if (x[1] % (block * block) != 0)
    refuse(context.node, "{} channels do not fill blocks of {} x {}", x[1], block, block);
  if (__builtin_mul_overflow(x[2], block, &shape[2]) || __builtin_mul_overflow(x[3], block, &shape[3]))
    refuse(context.node, "output size overflows: {} by blocks of {}", shape_string(x), block);
  add_output(context, context.inputs[0].dtype, shape);
}

void infer_space_to_depth(ShapeContext& context) {
  const Shape& x = context.inputs[0].shape;
  const std::int64_t block = block_of(context.node, x);
  Shape shape = {x[0], 0, x[2] / block, x[3] / block};
  if (x[2] % block != 0 || x[3] % block != 0)
    refuse(context.node, "blocks of {} x {} do not fill {}", block, block, shape_string(x));
  if (__builtin_mul_overflow(x[1], block * block, &shape[1]))
    refuse(context.node, "output size overflows: {} by blocks of {}", shape_string(x), block);
  add_output(context, context.inputs[0].dtype, shape);
}

/// visit(index in the spacious tensor, index in the deep one) for every element.
template <class Visit>
void for_each_block_element(const Node& node, const Shape& spacious, Visit visit) {
  if (num_elements(spacious) == 0) return;
  const std::int64_t block = node.int_or("blocksize", 1);
  const std::int64_t channels = spacious[1], height = spacious[2], width = spacious[3];
  const bool first = channels_first(node);
  std::int64_t at = 0;
  for (std::int64_t n = 0; n < spacious[0]; ++n)
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t h = 0; h < height; ++h)
        for (std::int64_t w = 0; w < width; ++w) {
          const std::int64_t in_block = h % block * block + w % block;
          const std::int64_t depth = first ? c * block * block + in_block : in_block * channels + c;
          visit(at++,
                ((n * channels * block * block + depth) * (height / block) + h / block) * (width / block) +
                    w / block);
        }
}

void run_depth_to_space(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_storage(inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    for_each_block_element(node, outputs[0].shape, [&](std::int64_t spacious, std::int64_t deep) {
      storage<T>(outputs[0])[spacious] = storage<T>(inputs[0])[deep];
    });
  });
}

void run_space_to_depth(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_storage(inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    for_each_block_element(node, inputs[0].shape, [&](std::int64_t spacious, std::int64_t deep) {
      storage<T>(outputs[0])[deep] = storage<T>(inputs[0])[spacious];
    });
  });
}

}  // namespace

const std::vector<Operator>& space_depth_operators() {
  static const std::vector<Operator> rows = taking_16_bit_floats({
      {"DepthToSpace", "", 1, 10, infer_depth_to_space, run_depth_to_space, 1, 1, 1, "blocksize:i!"},
      {"DepthToSpace", "", 11, kNewestOpset, infer_depth_to_space, run_depth_to_space, 1, 1, 1,
       "blocksize:i! mode:s"},
      {"SpaceToDepth", "", 1, 27, infer_space_to_depth, run_space_to_depth, 1, 1, 1, "blocksize:i!"},
      {"SpaceToDepth", "", 28, kNewestOpset, infer_space_to_depth, run_space_to_depth, 1, 1, 1,
       "blocksize:i! mode:s"},
  });
  return rows;
}

}  // namespace edgeclip::engine
