#include "retrieval/evaluate/query_stream.h"

#include "base/error.h"
#include "base/measure.h"
#include "data/image/image.h"
#include "data/image/transform.h"
#include "retrieval/search/search.h"

namespace edgeclip {

Tensor QueryStream::next_images(const Encoder& encoder, int count, std::vector<std::filesystem::path>* paths) {
  EDGECLIP_CHECK(!images_.empty(), "no images to ask for");
  const ImageTransform& transform = encoder.card().image;
  const std::int64_t plane = std::int64_t{3} * transform.height * transform.width;
  Tensor pixels(DType::f32, {count, 3, transform.height, transform.width});
  for (int b = 0; b < count; ++b) {
    const std::filesystem::path& path = images_[next_image_];
    next_image_ = (next_image_ + 1) % images_.size();
    normalize_pixels(load_image(path, transform), transform, false, pixels.data<float>() + b * plane);
    if (paths != nullptr) paths->push_back(path);
  }
  return pixels;
}

void QueryStream::search_for(const Tensor& rows, const GallerySnapshot& gallery) const {
  SearchOptions options;
  options.top = top_;
  search(gallery, rows.view(), options);
}

double QueryStream::ask_images(Encoder& encoder, const GallerySnapshot& gallery, int count) {
  const Tensor pixels = next_images(encoder, count);
  const Stopwatch inference;
  const Tensor rows = encoder.encode_images(pixels.view());
  const double seconds = inference.seconds();
  search_for(rows, gallery);
  return seconds;
}

double QueryStream::ask_texts(Encoder& encoder, const GallerySnapshot& gallery, int count) {
  EDGECLIP_CHECK(has_texts(), "no texts to ask for");
  std::vector<std::string> asked;
  for (int b = 0; b < count; ++b, next_text_ = (next_text_ + 1) % texts_.size()) asked.push_back(texts_[next_text_]);
  const Tensor tokens = encoder.tokenizer()->encode_batch(asked, encoder.card().context_length);
  const Stopwatch inference;
  const Tensor rows = encoder.encode_tokens(tokens.view());
  const double seconds = inference.seconds();
  search_for(rows, gallery);
  return seconds;
}

}  // namespace edgeclip
