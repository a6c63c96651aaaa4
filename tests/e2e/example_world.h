#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "support/support.h"

/// What the examples of --help speak of, under the names that they use.
namespace edgeclip::test {

/// "edgeclip-edge bench --plan plan/ ..." as --help prints it.
std::vector<std::string> examples_of(const std::string& program, const std::string& command);

/// Inputs of all examples, made once by the programs themselves, from the tiny model and dataset of tests/golden or, with training
/// commands, from drawn people and a model that learns for a few steps.
class ExampleWorld {
 public:
  /// workshop: what needs LibTorch too.
  explicit ExampleWorld(bool workshop);

  /// Whether every name is there that an example reads, as far as the world can know.
  bool has(const std::string& name) const { return std::filesystem::exists(base_ / name); }

  /// Runs an example by the shell as it stands, in a folder of its own where what it writes is not there yet.  "" if it ends with 0, else
  /// what it said.
  std::string try_example(const std::string& example) const;

 private:
  void make_models() const;
  void make_edge_inputs() const;
  void make_workshop_inputs() const;
  void make_annotations() const;
  /// By the shell in the world's folder; throws if it fails.
  void make(const std::string& command) const;

  TempDir dir_;
  std::filesystem::path base_;
};

}  // namespace edgeclip::test
