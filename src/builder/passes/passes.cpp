#include "builder/passes/passes.h"

#include "builder/passes/batch_norm_to_affine.h"
#include "builder/passes/causal_attention.h"
#include "builder/passes/eliminate_common.h"
#include "builder/passes/eliminate_identity.h"
#include "builder/passes/fold_affine.h"
#include "builder/passes/fold_constants.h"
#include "builder/passes/fuse_affine.h"
#include "builder/passes/fuse_attention.h"
#include "builder/passes/fuse_channel_shuffle.h"
#include "builder/passes/fuse_concat.h"
#include "builder/passes/fuse_conv.h"
#include "builder/passes/fuse_gelu.h"
#include "builder/passes/fuse_hard_swish.h"
#include "builder/passes/fuse_l2_normalize.h"
#include "builder/passes/fuse_layer_norm.h"
#include "builder/passes/fuse_masked_softmax.h"
#include "builder/passes/fuse_matmul.h"
#include "builder/passes/fuse_quantized_conv.h"
#include "builder/passes/fuse_quantized_matmul.h"
#include "builder/passes/fuse_quick_gelu.h"
#include "builder/passes/fuse_swish.h"
#include "builder/passes/fuse_token_merge.h"
#include "builder/passes/gather_per_sample.h"
#include "builder/passes/join_attention_products.h"
#include "builder/passes/patch_embedding.h"
#include "builder/passes/select_rows.h"
#include "builder/passes/sizes_of_inputs.h"
#include "builder/passes/widen_half.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

int remove_dead(Graph& graph) {
  const std::size_t before = graph.nodes().size();
  graph.remove_dead();
  return static_cast<int>(before - graph.nodes().size());
}

struct Pass {
  const char* name;
  int (*run)(Graph&);
};

constexpr Pass kPasses[] = {
    // What nobody reads would only hinder: patterns count readers.
    {"remove_dead", remove_dead},
    // One type of float: the patterns look for float32.
    {"widen_half", widen_half},
    // First of the rewrites, because the others recognise weights and scalars by their being constants.
    {"fold_constants", fold_constants},
    // Before the patterns, which do not look through nodes that do nothing.
    {"eliminate_identity", eliminate_identity},
    // Activations before the products and convolutions that take them in; QuickGelu before the Swish of any
    // other factor.
    {"fuse_gelu", fuse_gelu},
    {"fuse_quick_gelu", fuse_quick_gelu},
    {"fuse_swish", fuse_swish},
    {"fuse_hard_swish", fuse_hard_swish},
    // Wholes before their parts: a LayerNormalization ends in a Mul and an Add that others could take.
    {"fuse_l2_normalize", fuse_l2_normalize},
    // Behind the length of the keys, and before the heads that it shares with an attention are gone.
    {"fuse_token_merge", fuse_token_merge},
    {"fuse_layer_norm", fuse_layer_norm},
    {"fuse_masked_softmax", fuse_masked_softmax},
    {"fuse_channel_shuffle", fuse_channel_shuffle},
    // One row instead of all: when what joins rows (a LayerNormalization's mean) is one node, and before what
    // is fused hides how an attention's rows go through it.  Sizes asked of inputs leave fewer readers.
    {"sizes_of_inputs", sizes_of_inputs},
    {"gather_per_sample", gather_per_sample},
    {"select_rows", select_rows},
    {"fuse_attention", fuse_attention},
    {"causal_attention", causal_attention},
    // Quantized products and convolutions before float ones: both want the Add of a bias.
    {"fuse_quantized_matmul", fuse_quantized_matmul},
    {"fuse_quantized_conv", fuse_quantized_conv},
    {"fuse_matmul", fuse_matmul},
    // Behind the biases of the products.
    {"join_attention_products", join_attention_products},
    // Before convolutions take something in.
    {"patch_embedding", patch_embedding},
    // BatchNormalization goes into the weights before the convolution takes in an activation, behind which it
    // could not; what has no convolution before it then takes in its activation itself.  (A convolution whose
    // weights become constant later still takes in a ChannelAffine with its activation.)
    {"batch_norm_to_affine", batch_norm_to_affine},
    {"fold_affine", fold_affine},
    {"fuse_conv", fuse_conv},
    {"fuse_affine", fuse_affine},
    // When what could go into a convolution instead has gone.
    {"fuse_concat", fuse_concat},
    // What is written once per layer though it is the same for all (masks, sizes).  Behind the patterns, whose
    // insides have one reader each.
    {"eliminate_common", eliminate_common},
    // Weights that stayed int8 for the quantized products and found none: last, so that those had every
    // chance.  The
    // next round may fuse what this makes constant.
    {"fold_dequantized", fold_dequantized},
};

/// A round takes in what the one before made possible: few models need more than four.
constexpr int kMostRounds = 1000;

}  // namespace

std::vector<PassReport> optimize(Graph& graph) {
  std::vector<PassReport> reports;
  for (const Pass& pass : kPasses) reports.push_back({pass.name, 0});
  int rounds = 0;
  for (bool changed = true; changed;) {
    EDGECLIP_CHECK(++rounds <= kMostRounds, "passes undo each other's work");
    changed = false;
    for (std::size_t i = 0; i < std::size(kPasses); ++i) {
      const int rewrites = kPasses[i].run(graph);
      reports[i].rewrites += rewrites;
      changed = changed || rewrites > 0;
    }
  }
  graph.check();
  return reports;
}

}  // namespace edgeclip::builder
