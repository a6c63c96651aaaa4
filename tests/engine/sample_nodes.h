#pragma once

#include <string>
#include <vector>

#include "engine/ops/operator.h"

/// One small node of every operator: of which its element types are found, and on which its 16-bit floats are
/// tested.
namespace edgeclip::engine::test {

struct SampleInput {
  bool varies = false;  ///< has the element type that is tried (T)
  DType dtype = DType::f32;
  Shape shape;
  std::vector<double> values;  ///< empty: any
  bool left_out = false;
};

/// Of the operator's newest version.
struct Sample {
  Node node;
  const Operator* row = nullptr;
  std::vector<SampleInput> inputs;

  /// The inputs with T as `dtype`; values that are not given are small whole numbers from 1 on, or with
  /// `fractions` numbers around 0.
  std::vector<Tensor> tensors(DType dtype, bool fractions = false) const;
};

const std::vector<Sample>& samples();

/// What one node gives, as check_node(), its rule and its reference kernel have it.  Throws InvalidInput.
std::vector<Tensor> run_sample(const Sample& sample, const std::vector<Tensor>& inputs);
/// Whether it takes T as this type.
bool takes(const Sample& sample, DType dtype);

/// All element types, floats first.
inline constexpr DType kAllTypes[] = {DType::f16, DType::bf16, DType::f32,    DType::f64, DType::i8,
                                      DType::i16, DType::i32,  DType::i64,    DType::u8,  DType::u16,
                                      DType::u32, DType::u64,  DType::boolean};

}  // namespace edgeclip::engine::test
