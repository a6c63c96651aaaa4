#pragma once

#include <map>
#include <string>

#include "cli/workshop/compress_report/plan.h"
#include "cli/workshop/compress_report/steps.h"

namespace edgeclip::compress_report {

/// What is read and measured on.
struct Place {
  std::string data, image_root, split;
  std::string data_hash;  ///< of dataset.json, which says what its arrays hold, and of the images' sizes and times
  int tokens = 1;         ///< of a caption, in the mean over the split
  int queries = 200;      ///< of a bench
  std::string machine;    ///< what a bench depends on besides: CPU, revision of the program
};

/// A row of one seed, as files.
struct MadeRow {
  Argument checkpoint, bundle;
  const Step* plan = nullptr;
  Json bundle_report;           ///< of export or quantize
  std::int64_t onnx_bytes = 0;  ///< of the bundle's models, quantized or not, and the weights beside them
};

/// Makes networks and rows, and measures them, each command once.
class Maker {
 public:
  /// All three outlive it.
  Maker(const Plan& plan, const Place& place, Steps& steps) : plan_(plan), place_(place), steps_(steps) {}

  /// Lets train, prune and quantize read their options, before hours of work: throws InvalidInput, naming network or row.
  void judge();

  MadeRow make(const Row& row, int seed);
  /// "evaluate" on the split.
  const Json& evaluated(const Row& row, const MadeRow& made, int seed);
  /// "verify": against LibTorch's embeddings of the float32 network.
  const Json& verified(const Row& row, const MadeRow& made, int seed);
  /// "profile".
  const Json& profiled(const Row& row, const MadeRow& made);
  /// "bench" with both towers by themselves, the round-th time.  together: all that is measured in turn with it, and where.
  const Json& measured(const Row& row, const MadeRow& made, const std::string& together, int round);

 private:
  Argument checkpoint_of(const std::string& network, int seed);
  Call call_for(const std::string& name, int seed, bool judged);
  Argument start_to_judge(const Network& network) const;
  Call judged_alone(const Network& network) const;
  void add_data(Call& call) const;

  const Plan& plan_;
  const Place& place_;
  Steps& steps_;
  std::map<std::string, Argument> given_;  ///< by network: their files are hashed once
};

}  // namespace edgeclip::compress_report
