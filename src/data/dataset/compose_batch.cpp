#include "data/dataset/compose_batch.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

namespace edgeclip {

namespace {

// Each use of the seed draws from a stream of its own.
constexpr std::uint64_t kImageStream = 0x696d616765ull, kPixelStream = 0x706978656cull,
                        kTokenStream = 0x746f6b656eull, kSecondViewStream = 0x7365636f6e64ull;

/// A caption's tokens from begin to end, without padding.
std::vector<std::int32_t> tokens_of(const Dataset& dataset, std::int64_t pair) {
  const std::int32_t* row = dataset.tokens.data<std::int32_t>() + pair * dataset.context_length;
  const auto* end = std::find(row, row + dataset.context_length, dataset.tokenizer->end_id());
  return {row, end == row + dataset.context_length ? end : end + 1};
}

/// What is drawn for one row.
struct Row {
  std::int64_t caption = 0;
  std::vector<std::int32_t> tokens;
  bool caption_augmented = false, flip = false, second_flip = false;
  Rng pixels{0}, second_pixels{0};
};

/// repetition: how often the item stood in the batch before.
Row draw_row(const Dataset& dataset, const LoaderOptions& options, const BatchItem& item,
             std::uint64_t repetition, std::int64_t epoch) {
  const std::vector<std::int64_t>& captions = dataset.images[static_cast<std::size_t>(item.image)].rows;
  std::uint64_t variant = repetition;
  if (item.caption >= 0)  // each caption of an image has draws of its own
    variant = repetition * captions.size() +
              static_cast<std::uint64_t>(std::find(captions.begin(), captions.end(), item.caption) -
                                         captions.begin());
  const auto stream = [&](std::uint64_t use) {
    return Rng::stream(options.seed ^ use, static_cast<std::uint64_t>(epoch),
                       static_cast<std::uint64_t>(item.image) + (variant << 40));
  };
  Row row;
  Rng rng = stream(kImageStream);
  const std::int64_t drawn = rng.pick(captions);
  row.caption = item.caption >= 0 ? item.caption : drawn;
  const std::string& text = dataset.pairs[static_cast<std::size_t>(row.caption)].caption;
  const FlipOptions& flip = options.augment.flip;
  row.flip = flip.probability > 0 && rng.chance(flip.probability);
  const bool sided = row.flip && flip.sides != "ignore" && names_side(text);
  if (sided && flip.sides == "no_flip") row.flip = false;
  row.tokens = tokens_of(dataset, row.caption);
  if (sided && row.flip) {
    row.tokens = dataset.tokenizer->encode_with_ends(swap_sides(text), dataset.context_length);
    row.caption_augmented = true;
  }
  if (const TokenAugmentOptions& change = options.augment.tokens; change.drop > 0 || change.mask > 0) {
    Rng draw = stream(kTokenStream);
    const std::vector<std::int32_t> before = row.tokens;
    augment_tokens(row.tokens, change, *dataset.tokenizer, draw);
    row.caption_augmented = row.caption_augmented || row.tokens != before;
  }
  row.pixels = stream(kPixelStream);
  if (options.second_view) {
    row.second_pixels = stream(kSecondViewStream);
    row.second_flip = flip.probability > 0 && row.second_pixels.chance(flip.probability);
  }
  return row;
}

}  // namespace

ComposedBatch compose_batch(const Dataset& dataset, const LoaderOptions& options,
                            const std::vector<BatchItem>& items, std::int64_t epoch) {
  // The other ranks' rows are drawn too: they say how wide the tokens are, and which items are repetitions.
  std::vector<Row> rows;
  rows.reserve(items.size());
  std::unordered_map<std::int64_t, std::uint64_t> seen;  // a person of few images repeats them in its batch
  std::size_t longest = 1;
  for (const BatchItem& item : items) {
    rows.push_back(
        draw_row(dataset, options, item, seen[item.caption >= 0 ? item.caption : item.image]++, epoch));
    longest = std::max(longest, rows.back().tokens.size());
  }

  const auto [begin, end] =
      part_of_rank(static_cast<std::int64_t>(items.size()), options.rank, options.world);
  ComposedBatch out;
  Batch& batch = out.batch;
  batch.tokens = Tensor(DType::i32, {end - begin, static_cast<std::int64_t>(longest)});
  std::int32_t* to = batch.tokens.data<std::int32_t>();
  std::fill(to, to + batch.tokens.elements(), dataset.tokenizer->pad_id());
  for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i, to += longest) {
    const Row& row = rows[i];
    std::copy(row.tokens.begin(), row.tokens.end(), to);
    batch.ids.push_back(dataset.images[static_cast<std::size_t>(items[i].image)].id);
    batch.images.push_back(items[i].image);
    batch.captions.push_back(row.caption);
    batch.caption_augmented.push_back(row.caption_augmented);
    out.view.flips.push_back(row.flip);
    out.view.pixels.push_back(row.pixels);
    if (!options.second_view) continue;
    out.second_view.flips.push_back(row.second_flip);
    out.second_view.pixels.push_back(row.second_pixels);
  }
  batch.image_augmented.resize(batch.ids.size());
  return out;
}

Batch rows_of(const Batch& batch, const std::vector<std::int64_t>& rows) {
  const auto tensor = [&](const Tensor& from) {
    Shape shape = from.shape();
    shape[0] = static_cast<std::int64_t>(rows.size());
    Tensor to(from.dtype(), shape);
    const std::size_t bytes = from.bytes() / static_cast<std::size_t>(from.dim(0));
    for (std::size_t k = 0; k < rows.size(); ++k)
      std::memcpy(to.raw() + k * bytes, from.raw() + static_cast<std::size_t>(rows[k]) * bytes, bytes);
    return to;
  };
  const auto values = [&](const auto& from) {
    std::decay_t<decltype(from)> to;
    for (const std::int64_t row : rows) to.push_back(from[static_cast<std::size_t>(row)]);
    return to;
  };
  Batch out;
  out.pixels = tensor(batch.pixels);
  if (batch.second_pixels.defined()) out.second_pixels = tensor(batch.second_pixels);
  out.tokens = tensor(batch.tokens);
  out.ids = values(batch.ids);
  out.images = values(batch.images);
  out.captions = values(batch.captions);
  out.image_augmented = values(batch.image_augmented);
  out.caption_augmented = values(batch.caption_augmented);
  return out;
}

}  // namespace edgeclip
