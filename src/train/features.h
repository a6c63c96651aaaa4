#pragma once

#include <torch/torch.h>

#include <vector>

#include "data/dataset/loader.h"
#include "model/dual_encoder.h"

/// What losses see of a batch.  B pairs, W a tower's width, D embedding width.
namespace edgeclip {

/// A batch as tensors on one device.
struct Inputs {
  torch::Tensor pixels;  ///< (B, 3, H, W) float32
  torch::Tensor second_pixels;  ///< the same of another view of each image; undefined unless the loader made one
  torch::Tensor tokens;  ///< (B, T) int64
  torch::Tensor ids;     ///< (B) int64, the person of each pair
  torch::Tensor pairs;   ///< (B) int64, which of the dataset's images: equal for captions of one; undefined if the batch does not say
  /// (B) int64, which of the dataset's images and captions pixels and tokens are, as they stand there; -1 where a random change was made;
  /// undefined if the batch does not say.
  torch::Tensor unchanged_images, unchanged_captions;
};
Inputs inputs_of(const Batch& batch, const torch::Device& device);

/// What one tower made of its half of the batch.
struct TowerOutput {
  torch::Tensor hidden;     ///< (B, W), before the projection, in the type it was computed in
  torch::Tensor projected;  ///< (B, D) float32, not normalized
  torch::Tensor unit;       ///< (B, D) float32, unit rows
};

/// What a frozen teacher made of the same batch, of an embedding width of its own; undefined without one.
struct TeacherOutput {
  torch::Tensor image, text;  ///< (B, D') float32, unit rows, without graph
  torch::Tensor image_hidden, text_hidden;  ///< (B, W') before the projections, in the type they were computed in
  torch::Tensor logit_scale;  ///< scalar, natural logarithm
};

struct Features {
  TowerOutput image, text;
  TowerOutput second_image;  ///< of second_pixels
  torch::Tensor logit_scale;  ///< scalar, natural logarithm
  torch::Tensor ids, pairs;   ///< as Inputs'
  TeacherOutput teacher;
};

inline ComputeType compute_type(bool bf16) { return bf16 ? ComputeType::bf16 : ComputeType::f32; }

/// Runs both towers (the image tower on the second view too, if there is one) under model's mode, in bf16 if asked.
Features encode(DualEncoder& model, const Inputs& inputs, bool bf16);

/// Calls visit(tensor) for each tensor of features that has a row per pair and a graph, in a fixed order.  Some may be
/// undefined.
template <class FeaturesType, class Visit>
void each_encoded(FeaturesType& features, Visit&& visit) {
  for (auto* tower : {&features.image, &features.text, &features.second_image}) {
    visit(tower->hidden);
    visit(tower->projected);
    visit(tower->unit);
  }
}
/// The same for those that no gradient goes to.
template <class FeaturesType, class Visit>
void each_given(FeaturesType& features, Visit&& visit) {
  for (auto* tensor : {&features.ids, &features.pairs, &features.teacher.image, &features.teacher.text,
                       &features.teacher.image_hidden, &features.teacher.text_hidden})
    visit(*tensor);
}

}  // namespace edgeclip
