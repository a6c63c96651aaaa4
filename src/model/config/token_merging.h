#pragma once

#include <string>
#include <vector>

#include "model/config/model_config.h"

/// How many tokens an image tower merges where (VisionConfig::token_merging).
namespace edgeclip {

/// Tokens that become one with another in layer i.  The last layer of a tower that pools its class token merges none:
/// nobody would read the rows that are left.
int merged_in(const VisionConfig& tower, int layer);
inline int merged_in(const TextConfig&, int) { return 0; }

bool merges_tokens(const VisionConfig& tower);

/// Tokens that enter layer 0, 1, ..., and those that leave the last layer, of a vit: the class token and the patches.
std::vector<int> tokens_of_layers(const VisionConfig& vit);

/// The least number of tokens merged in every layer with which an image costs at most the part `budget` (above 0, at most 1) of the
/// multiply-accumulates that it costs without merging (vit_macs()).  The model is a valid one and its image tower a vit; what it
/// merges now does not matter.  Throws InvalidInput, saying the least that can be reached, if no such number does.  model: as below.
int merging_for_budget(const ModelConfig& config, double budget, const std::string& model);

/// Merges so many tokens from now on, in all layers or one number per layer, or as many as merging_for_budget() says; none and a budget
/// of 0 change nothing.  model: what is said of it in messages, which name the options --token-merging and --token-budget.  Throws
/// InvalidInput if both are given, for another budget, or if the tower is no vit.
void choose_token_merging(ModelConfig& config, const std::vector<int>& merged, double budget, const std::string& model);
/// Throws InvalidInput if both are given, or a budget that is none.  where: what stands before the options' names, to which the options
/// are keys; "" names them as those of a command.
void check_token_merging(const std::vector<int>& merged, double budget, const std::string& where = "");

/// Throws InvalidInput: a list of another length than the layers, or a layer that has too few tokens.
void validate_token_merging(const VisionConfig& vit, const std::string& where);

}  // namespace edgeclip
