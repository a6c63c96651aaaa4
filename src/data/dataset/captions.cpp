#include "data/dataset/captions.h"

namespace edgeclip {

std::vector<std::int64_t> captions_of(const Dataset& dataset, const std::string& split) {
  dataset.split(split);  // throws if there is none
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < dataset.pairs.size(); ++i)
    if (split == "all" || dataset.pairs[i].split == split) rows.push_back(static_cast<std::int64_t>(i));
  return rows;
}

int caption_length(const Dataset& dataset, std::int64_t pair) {
  const std::int64_t width = dataset.tokens.shape()[1];
  const std::int32_t* ids = dataset.tokens.data<std::int32_t>() + pair * width;
  const std::int32_t pad = dataset.tokenizer->pad_id();
  std::int64_t length = width;
  while (length > 0 && ids[length - 1] == pad) --length;
  // Where the end is what pads, too, the first of them is the caption's.
  if (pad == dataset.tokenizer->end_id() && length < width) ++length;
  return static_cast<int>(length);
}

}  // namespace edgeclip
