#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "retrieval/encoder.h"

/// Lists of any length through an Encoder, in pieces of at most its max_batch().
namespace edgeclip {

/// (N, D), unit rows, in order of texts; each distinct text is encoded once.  Throws InvalidInput if a text
/// is not UTF-8 or empty.
Tensor encode_texts(Encoder& encoder, const std::vector<std::string>& texts, int batch = 32);

/// (N, D), unit rows, in order of paths.  Reads and preprocesses while it encodes, on all threads (encode_stream.h).  Throws InvalidInput
/// for an image that cannot be read.  done: called with the number of images of each finished piece, by one thread at a time.
Tensor encode_image_files(Encoder& encoder, const std::vector<std::filesystem::path>& paths, int batch = 32,
                          const std::function<void(std::int64_t)>& done = {});

/// CHECKs an encoder's answer: (rows, D) float32, and finite.  InvalidInput if not finite: the weights are
/// damaged.
void check_embeddings(const Tensor& embeddings, std::int64_t rows, const Encoder& encoder);

}  // namespace edgeclip
