#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/options.h"

namespace edgeclip {

/// Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685) with the options of PEFT's LoraConfig.
///
/// A list of modules holds patterns (lora/name_match.h), each of which fits every module whose dotted name is
/// it or ends with "." and it; or it holds one entry alone: "all-linear", or "re:" and a regular expression
/// of the whole name.
struct LoraOptions {
  int rank = 16;                 ///< r of A (r, in) and B (out, r)
  double alpha = 16;             ///< the update is scaled by alpha / rank
  bool rank_stabilized = false;  ///< by alpha / sqrt(rank) instead (rsLoRA, arXiv:2312.03732)
  double dropout = 0.0;          ///< of the adapter's input, in training
  std::vector<std::string> target_modules = {"q_proj", "k_proj", "v_proj", "out_proj"};
  std::vector<std::string> exclude_modules;
  std::vector<std::string> modules_to_save;  ///< train whole, in a copy of the adapter's own
  std::string bias = "none";
  std::map<std::string, int> rank_pattern;      ///< regular expression of a name's end to its rank
  std::map<std::string, double> alpha_pattern;  ///< likewise
  std::string init = "kaiming";
  bool dora = false;  ///< DoRA (arXiv:2402.09353): the length of each row of the weights trains besides

  template <class Visitor>
  void fields(Visitor& v) {
    v("rank", rank, "r of A (r, in) and B (out, r)");
    v("alpha", alpha, "the update is scaled by alpha / rank");
    v("rank_stabilized", rank_stabilized, "the update is scaled by alpha / sqrt(rank): rsLoRA");
    v("dropout", dropout, "dropout of the adapter's input, in training");
    v("target_modules", target_modules,
      "linear layers that get an adapter: ends of their names, or [\"all-linear\"], or [\"re:EXPRESSION\"]");
    v("exclude_modules", exclude_modules, "of these none: ends of names, or [\"re:EXPRESSION\"]");
    v("modules_to_save", modules_to_save, "ends of names of modules that train whole, with the adapter");
    v("bias", bias, "biases that train with the adapter: none, all, or those of adapted layers",
      {"none", "all", "lora_only"});
    v("rank_pattern", rank_pattern, "other ranks: {\"end of a name, as a regular expression\": rank}");
    v("alpha_pattern", alpha_pattern, "other alphas, likewise");
    v("init", init, "of A; B is zero", {"kaiming", "gaussian"});
    v("dora", dora, "DoRA: the pair moves the direction of each row of a weight, its length trains by itself");
  }
  /// Throws InvalidInput; where: prefix of the key's name.
  void validate(const std::string& where) const;
};

}  // namespace edgeclip
