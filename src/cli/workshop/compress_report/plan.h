#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/options.h"

/// What a compress-report compares: networks, and rows that say how one is deployed.
namespace edgeclip::compress_report {

/// Weights, and how they come about.
struct Network {
  std::string checkpoint;            ///< one that there is already; then nothing else is said
  std::string command = "train";     ///< or prune
  std::string config;                ///< --config of the command; "": none
  std::vector<std::string> set;      ///< --set of it
  std::string from;                  ///< the network that it starts from: what prune cuts, what train goes on with
  std::string teacher;               ///< the network that it is distilled from; its first seed

  template <class Visitor>
  void fields(Visitor& v) {
    v("checkpoint", checkpoint, "a trained checkpoint, instead of all that follows");
    v("command", command, "what makes it", {"train", "prune"});
    v("config", config, "--config of that command");
    v("set", set, "--set of that command, one setting each");
    v("from", from, "network that prune cuts, or that train goes on with (of the same seed)");
    v("teacher", teacher, "network that it is distilled from, of the first seed");
  }
};

/// A line of the table.
struct Row {
  std::string name, network;
  int seeds = 1;  ///< seeds 0, 1, ... of the network
  std::vector<int> token_merging;
  double token_budget = 0;
  std::string quantize = "none";
  std::vector<std::string> quantize_set;
  std::string precision;

  template <class Visitor>
  void fields(Visitor& v) {
    v("name", name, "what the row is called");
    v("network", network, "which of the networks");
    v("seeds", seeds, "so many of it are made, with the seeds 0, 1, ...; figures are means then");
    v("token_merging", token_merging, "--token-merging of export");
    v("token_budget", token_budget, "--token-budget of export, instead");
    v("quantize", quantize, "how the bundle is quantized first", {"none", "dynamic", "static"});
    v("quantize_set", quantize_set, "--set of quantize, one setting each");
    v("precision", precision, "--precision of build; empty: int8 if quantized, else fp32");
  }
  std::string built_as() const { return !precision.empty() ? precision : quantize == "none" ? "fp32" : "int8"; }
};

struct Plan {
  std::map<std::string, Network> networks;
  std::vector<Row> rows;

  /// Throws InvalidInput, naming row or network: nothing to compare, a name that is not there, is twice or stands in a circle,
  /// several seeds of what is given, options that exclude each other.
  void validate(const std::string& where) const;
};

}  // namespace edgeclip::compress_report
