#pragma once

#include "model/dual_encoder.h"
#include "model/quantization/quantizable.h"
#include "model/quantization/ranges_file.h"

namespace edgeclip {

/// int8 in the forward passes of a model (quantization-aware training): values that its layers read are rounded as static int8 rounds
/// them, by ranges that are a moving average of what each step saw, and weights as they are stored.  With an adapter it is the weight
/// with the adapter in it that is rounded.  Destroyed, it leaves the model as it was.  Not thread-safe.
class FakeQuantization {
 public:
  /// Nothing is observed or rounded yet.  weight_bits: 8 or 7.  exclude: bundle/excluded.h, of names of weights.  Throws InvalidInput
  /// (where: the option) if one of them is in the name of no weights that could be rounded, or nothing is left.
  FakeQuantization(DualEncoder model, int weight_bits, std::vector<std::string> exclude, const std::string& where);
  ~FakeQuantization();
  FakeQuantization(const FakeQuantization&) = delete;
  FakeQuantization& operator=(const FakeQuantization&) = delete;

  void observe(bool on);
  /// Before ranges are known (is_ready()) it changes nothing.
  void round(bool on);
  bool is_ready() const;

  /// Least and most of each value that were seen since move() or forget(), (1, values, 2) float32 on the CPU, with the least negated:
  /// the greatest of several are those of all.
  torch::Tensor seen() const;
  /// Ranges become the average of momentum parts of what they were and the rest of `seen`; the first ones are what was seen.  What is
  /// not finite moves nothing.
  void move(const torch::Tensor& seen, double momentum);
  void forget();

  /// (values, 2) float32: low and high.
  torch::Tensor ranges() const;
  /// known: whether is_ready().
  void set_ranges(const torch::Tensor& ranges, bool known);
  /// Ranges by layer, weight_bits and exclude; the rest is for the caller.
  QuantizationRanges described() const;

 private:
  struct Value {
    std::shared_ptr<ValueRange> range;
    std::shared_ptr<ValueRange>* place;
    std::vector<std::string> layers;
  };

  DualEncoder model_;
  const int weight_bits_;
  const std::vector<std::string> exclude_;
  std::vector<Value> values_;
  std::vector<int*> bits_;
};

}  // namespace edgeclip
