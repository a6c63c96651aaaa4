#pragma once

#include <functional>

#include "model/lora/adapter.h"

namespace edgeclip {

/// The adapters of one model, by name, of which one is used at a time or none.  While there is one the base
/// is frozen; the used one's weights train: they are the model's parameters lora_A, lora_B (and
/// lora_magnitude_vector), and stand in the places of the parameters that the adapter has copies of.  Which of
/// them are frozen is kept while another is used or while it is merged.  The base itself is never written to,
/// so that switching and unmerging give it back to the bit.  Not thread-safe.
class AdapterSet {
 public:
  explicit AdapterSet(torch::nn::Module& model) : model_(model) {}
  AdapterSet(const AdapterSet&) = delete;
  AdapterSet& operator=(const AdapterSet&) = delete;

  /// Adds and uses it; all of it trains.  Throws InvalidInput if there is one of that name.
  void add(const std::string& name, Adapter adapter);
  /// "": the base alone.  Throws InvalidInput naming the known ones.
  void use(const std::string& name);
  /// Drops it; without any, all parameters train again.
  void remove(const std::string& name);
  bool empty() const { return adapters_.empty(); }
  std::vector<std::string> names() const;
  const std::string& used() const { return used_; }
  /// Of the used one, or of that name.
  const Adapter& adapter() const;
  const Adapter& adapter(const std::string& name) const;
  /// More that trains with the used one: copy_beside() (adapter.h).
  void train_beside(const std::vector<std::string>& patterns, const std::string& where);
  /// Of the used one's input, in training.
  void set_dropout(double dropout);

  /// Adds the used adapter's product to the weights, in their type: the same outputs without its cost, and
  /// without its parameters.  Switching unmerges.
  void merge();
  void unmerge();
  bool is_merged() const { return merged_; }
  /// Makes what the model computes now the base, and drops all adapters.
  void fold();

  /// The base's value of a parameter, whatever adapter is used.
  torch::Tensor base_value(const std::string& name, const torch::Tensor& parameter) const;
  /// The frozen base's matrices are stored in this type from here on (bf16: half the memory).
  void store_base(torch::ScalarType type);

 private:
  void put_in(Adapter& adapter);
  void take_out();
  void train_all(bool on);
  void change_used(const std::function<void(Adapter&)>& change);
  std::vector<std::pair<std::string, Linear>> layers() const;

  torch::nn::Module& model_;
  std::map<std::string, Adapter> adapters_;
  std::map<std::string, torch::Tensor> base_;         ///< values of the parameters that copies stand for
  std::map<std::string, torch::Tensor> merged_base_;  ///< of the weights that the adapter is merged into
  std::string used_;
  bool merged_ = false;
};

}  // namespace edgeclip
